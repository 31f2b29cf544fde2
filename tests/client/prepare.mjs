// Makes programs of the examples: `node prepare.mjs <project> [<the document>]`. What an example leaves out is filled in here, `baseUrl` is given,
// and nothing else of it is changed; with the document, the examples are compared with it first.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), 'examples');
const [project, document] = process.argv.slice(2);

/** The text of each example, by name. */
const examples = Object.fromEntries(
  readdirSync(FOLDER)
    .sort()
    .map((file) => [file.replace('.ts.txt', ''), readFileSync(join(FOLDER, file), 'utf8')]),
);

/** The document has lost its indentation. */
const squeezed = (text) => text.replace(/\s+/g, ' ').trim();

/** Each example stands in the document as it is, and no code of the document is left out. */
function compare(text) {
  let rest = squeezed(text);
  for (const [name, example] of Object.entries(examples)) {
    const code = squeezed(example);
    assert.ok(rest.includes(code), `${name} does not stand in the document`);
    rest = rest.replace(code, () => ' § ');
  }
  for (const sign of [
    'await ',
    'import {',
    'console.',
    "id: '",
    "type: 'function'",
    'steps: [',
    'createBusinessApi(',
  ]) {
    assert.equal(
      rest.indexOf(sign),
      -1,
      `an example is missing: ...${rest.slice(Math.max(0, rest.indexOf(sign) - 80)).slice(0, 200)}`,
    );
  }
}

const STEP = "{ id: 'only', type: 'function', function: 'elided' }";
/** What the examples elide. */
const elided = (code) =>
  code.replaceAll('[...]', `[${STEP}]`).replaceAll(', ... }', ", type: 'function', function: 'elided' }");

const OPTIONS = 'apiKey: process.env.APIS_DO_KEY, baseUrl: process.env.BASE_URL';
/** The variables that the examples take for granted. */
const GIVEN = `import { createBusinessApi } from 'business-as-code'
const api = createBusinessApi({ ${OPTIONS} })
`;
const create = (name, steps) => `await api.workflows.create({ name: '${name}', steps: [\n${steps}] })\n`;

/** Examples that are no programs by themselves. */
const OWN = {
  '01-overview': (code) => code.replace('apiKey: process.env.APIS_DO_KEY', OPTIONS),
  '06-polling': (code) => `${GIVEN}const data = { rows: [1, 2] }\n${code}`,
  '08-types': (code) => `${GIVEN}import type * as Ours from 'business-as-code'
type BusinessFunction = Ours.BusinessFunction
${code}
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
// A step's name may be left out, as other examples do; all else is the same.
const step: Same<Required<Ours.WorkflowStep>, Required<WorkflowStep>> = true
const trigger: Same<Ours.WorkflowTrigger, WorkflowTrigger> = true
const workflow: Same<Omit<Ours.BusinessWorkflow, 'steps'>, Omit<BusinessWorkflow, 'steps'>> = true
type Create = Omit<BusinessWorkflow, 'id'>
interface Documented {
  trigger(workflowId: string, input?: any): Promise<{ executionId: string }>
  status(executionId: string): Promise<{ status: string; result?: any; error?: any }>
  list(): Promise<Ours.BusinessWorkflow[]>
  get(id: string): Promise<Ours.BusinessWorkflow>
  create(workflow: Create): Promise<Ours.BusinessWorkflow>
}
const documented: Documented = api.workflows
void [step, trigger, workflow, documented]
`,
  '23-focused-steps': (code) => {
    const [bad, good] = code.split('// ✅');
    return GIVEN + create('Too Much', bad) + create('Focused', `// ✅${good}`);
  },
  '26-complex-logic': (code) => GIVEN + create('Eligibility', code),
};

const ENVIRONMENT = 'declare const process: { env: Record<string, string | undefined> }\n';

if (document !== undefined) compare(readFileSync(document, 'utf8'));
mkdirSync(join(project, 'examples'), { recursive: true });
for (const [name, example] of Object.entries(examples)) {
  const code = elided(example);
  const program = OWN[name]?.(code) ?? GIVEN + code;
  writeFileSync(join(project, 'examples', `${name}.ts`), `${ENVIRONMENT}${program}\nexport {}\n`);
}
const options = {
  target: 'ES2022',
  module: 'NodeNext',
  strict: true,
  lib: ['ES2022', 'DOM'],
  types: [],
  rootDir: 'examples',
  outDir: 'out',
};
writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['examples'] }));
