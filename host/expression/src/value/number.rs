//! Numbers as JavaScript reads and writes them.

use ryu_js::Buffer;

/// The number as JavaScript prints it.
pub(crate) fn to_text(number: f64) -> String {
    Buffer::new().format(number).to_owned()
}

/// Whether JavaScript counts this character as white space or a line end.
pub(crate) fn is_space(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}'
}

/// `Number(text)`: NaN where the text is not a number.
pub(crate) fn from_text(text: &str) -> f64 {
    let text = text.trim_matches(is_space);
    if text.is_empty() {
        return 0.0;
    }
    let radix = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => 16,
        [b'0', b'o' | b'O', ..] => 8,
        [b'0', b'b' | b'B', ..] => 2,
        _ => return decimal(text),
    };
    let digits = &text[2..];
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return f64::NAN;
    }
    from_digits(digits, radix)
}

/// A whole decimal text with optional sign, fraction and exponent; NaN for anything else.
fn decimal(text: &str) -> f64 {
    match text {
        "Infinity" | "+Infinity" => return f64::INFINITY,
        "-Infinity" => return f64::NEG_INFINITY,
        _ => {}
    }
    // Rust's own parser also knows words such as `inf`; JavaScript does not.
    if text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-')) {
        text.parse().unwrap_or(f64::NAN)
    } else {
        f64::NAN
    }
}

/// The value of digits in `radix`, rounded once where the radix is a power of two or ten.
pub(crate) fn from_digits(digits: &str, radix: u32) -> f64 {
    if radix == 10 {
        return digits.parse().unwrap_or(f64::NAN);
    }
    let values = digits.chars().filter_map(|c| c.to_digit(radix));
    if !radix.is_power_of_two() {
        return values.fold(0.0, |sum, digit| sum * f64::from(radix) + f64::from(digit));
    }
    let bits = radix.trailing_zeros();
    let (mut mantissa, mut exponent, mut sticky) = (0_u128, 0_u32, false);
    for digit in values {
        if mantissa >> (128 - bits) == 0 {
            mantissa = (mantissa << bits) | u128::from(digit);
        } else {
            exponent = exponent.saturating_add(bits);
            sticky |= digit != 0;
        }
    }
    scale(mantissa | u128::from(sticky), exponent)
}

#[allow(clippy::cast_precision_loss, reason = "rounding to the nearest double is the purpose")]
fn scale(mantissa: u128, exponent: u32) -> f64 {
    mantissa as f64 * 2_f64.powi(i32::try_from(exponent).unwrap_or(i32::MAX))
}

/// The longest start of `text` (which has no white space before it) that is a decimal number, as `parseFloat`.
pub(crate) fn decimal_prefix(text: &str) -> &str {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    if text[sign..].starts_with("Infinity") {
        return &text[..sign + "Infinity".len()];
    }
    let whole = digits(sign);
    let mut end = sign + whole;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if whole + fraction == 0 {
            return "";
        }
        end += 1 + fraction;
    } else if whole == 0 {
        return "";
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let signed = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(signed.min(bytes.len()));
        if exponent > 0 {
            end = signed + exponent;
        }
    }
    &text[..end]
}

/// `parseFloat(text)`.
pub(crate) fn parse_float(text: &str) -> f64 {
    let prefix = decimal_prefix(text.trim_start_matches(is_space));
    if prefix.is_empty() { f64::NAN } else { decimal(prefix) }
}

/// `parseInt(text, radix)`; `radix` 0 means not given.
pub(crate) fn parse_int(text: &str, radix: i32) -> f64 {
    let text = text.trim_start_matches(is_space);
    let negative = text.starts_with('-');
    let mut digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let mut radix = radix;
    if let (0 | 16, Some(rest)) = (radix, digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"))) {
        digits = rest;
        radix = 16;
    }
    let radix = match radix {
        0 => 10,
        2..=36 => radix.unsigned_abs(),
        _ => return f64::NAN,
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    if end == 0 {
        return f64::NAN;
    }
    let number = from_digits(&digits[..end], radix);
    if negative { -number } else { number }
}

/// `ToIntegerOrInfinity`: the fraction cut off, NaN as 0.
pub(crate) fn to_integer(number: f64) -> f64 {
    if number.is_nan() { 0.0 } else { number.trunc() + 0.0 }
}

/// `ToUint32`: the integer part modulo 2^32.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rem_euclid leaves 0..2^32")]
pub(crate) fn to_uint32(number: f64) -> u32 {
    if number.is_finite() { number.trunc().rem_euclid(4_294_967_296.0) as u32 } else { 0 }
}

/// `toFixed`; `digits` is 0 to 100.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the caller checks the range")]
pub(crate) fn to_fixed(number: f64, digits: f64) -> String {
    if number.abs() >= 1e21 { to_text(number) } else { Buffer::new().format_to_fixed(number, digits as u8).to_owned() }
}

/// `toString(radix)` for radix 10, and of integers below 2^53 for 2 to 36; the digits of other numbers depend on the
/// engine.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both are checked to be small integers")]
pub(crate) fn in_radix(number: f64, radix: f64) -> Option<String> {
    if radix == 10.0 || !number.is_finite() {
        return Some(to_text(number));
    }
    if number.fract() != 0.0 || number.abs() > 9_007_199_254_740_991.0 {
        return None;
    }
    let (mut rest, radix) = (number.abs() as u64, radix as u32);
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit((rest % u64::from(radix)) as u32, radix)?);
        rest /= u64::from(radix);
        if rest == 0 {
            break;
        }
    }
    if number < 0.0 {
        digits.push('-');
    }
    Some(digits.iter().rev().collect())
}
