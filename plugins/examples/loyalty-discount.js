/**
 * Takes a discount off an order's total: 2 % for each year as a customer, at most 10 %.
 *
 * @type {import('../../sdk/javascript/types').Handler<{ total: number, customerSince: number }, { total: number, percent: number }>}
 */
export default function (input, ctx) {
  if (!(input.total >= 0)) throw ctx.permanent('bad_total', 'the total must not be negative', { total: input.total });
  const years = new Date().getUTCFullYear() - input.customerSince;
  const percent = Math.min(Math.max(years, 0) * 2, 10);
  ctx.log.info('discount', { percent, attempt: ctx.attempt });
  return { total: Math.round(input.total * (100 - percent)) / 100, percent };
}
