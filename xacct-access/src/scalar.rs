//! The values that conditions compare other than as text: numbers, dates, address ranges, bytes.

use std::net::IpAddr;

/// A decimal number, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(i128);

const DECIMALS: usize = 18;

impl Number {
    /// Digits with an optional sign and fraction; `None` for anything else and for what does not fit.
    pub(crate) fn parse(text: &str) -> Option<Number> {
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let fraction = fraction.trim_end_matches('0');
        if !all_digits(whole) || !(fraction.is_empty() || all_digits(fraction)) || fraction.len() > DECIMALS {
            return None;
        }
        if digits.ends_with('.') {
            return None;
        }
        let scale = 10_i128.pow(DECIMALS as u32);
        let mut value = whole.parse::<i128>().ok()?.checked_mul(scale)?;
        if !fraction.is_empty() {
            let shift = 10_i128.pow((DECIMALS - fraction.len()) as u32);
            value = value.checked_add(fraction.parse::<i128>().ok()? * shift)?;
        }
        Some(Number(if negative { -value } else { value }))
    }
}

/// A moment, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i128);

impl Moment {
    /// One of the W3C forms of ISO 8601, or seconds since 1970. Four digits alone could be either: `None`.
    pub(crate) fn parse(text: &str) -> Option<Moment> {
        let bytes = text.as_bytes();
        if !text.is_ascii() {
            return None;
        }
        if bytes.iter().all(u8::is_ascii_digit) {
            if bytes.len() == 4 || bytes.is_empty() || bytes.len() > 15 {
                return None;
            }
            return Some(Moment(text.parse::<i128>().ok()? * 1_000_000_000));
        }
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let is = |at: usize, byte: u8| bytes.get(at) == Some(&byte);
        let year = number(0, 4)?;
        let month = if is(4, b'-') {
            number(5, 7)?
        } else {
            return None;
        };
        let day = match bytes.len() {
            7 => 1,
            _ if is(7, b'-') => number(8, 10)?,
            _ => return None,
        };
        if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        let days = days_from_civil(year, month, day);
        if bytes.len() == 7 || bytes.len() == 10 {
            return Some(Moment(i128::from(days) * 86_400_000_000_000));
        }
        if !is(10, b'T') || !is(13, b':') {
            return None;
        }
        let (hour, minute) = (number(11, 13)?, number(14, 16)?);
        let (second, mut at) = if is(16, b':') { (number(17, 19)?, 19) } else { (0, 16) };
        let mut nanos = 0_i128;
        if at == 19 && is(19, b'.') {
            let digits = bytes[20..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 || digits > 9 {
                return None;
            }
            nanos = text[20..20 + digits].parse::<i128>().ok()? * 10_i128.pow(9 - digits as u32);
            at = 20 + digits;
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let offset = match &text[at..] {
            "Z" => 0,
            zone if zone.len() == 6 && zone.as_bytes()[3] == b':' => {
                let sign = match zone.as_bytes()[0] {
                    b'+' => 1,
                    b'-' => -1,
                    _ => return None,
                };
                let (hours, minutes) = (number(at + 1, at + 3)?, number(at + 4, at + 6)?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                sign * (hours * 3600 + minutes * 60)
            }
            _ => return None,
        };
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset;
        Some(Moment(i128::from(seconds) * 1_000_000_000 + nanos))
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leaps = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let in_year: i64 = (1..month).map(|month| days_in_month(year, month)).sum();
    before * 365 + leaps + in_year + day - 1 - 719_162
}

/// A range of addresses; a single address is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr {
    address: IpAddr,
    length: u32,
}

impl Cidr {
    pub(crate) fn parse(text: &str) -> Option<Cidr> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
                (address, Some(length.parse::<u32>().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(longest);
        (length <= longest).then_some(Cidr { address, length })
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(net), IpAddr::V4(one)) => {
                let shift = 32 - self.length;
                u64::from(u32::from(net)) >> shift == u64::from(u32::from(one)) >> shift
            }
            (IpAddr::V6(net), IpAddr::V6(one)) => {
                let differing = u128::from(net) ^ u128::from(one);
                self.length == 0 || differing >> (128 - self.length) == 0
            }
            _ => false,
        }
    }
}

/// The bytes behind base-64 with padding.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    for (at, chunk) in bytes.chunks_exact(4).enumerate() {
        let last = (at + 1) * 4 == bytes.len();
        let used = if last { 4 - padding } else { 4 };
        let mut word = 0_u32;
        for (at, byte) in chunk.iter().enumerate() {
            let digit = match byte {
                _ if at >= used => 0,
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            word = word << 6 | u32::from(digit);
        }
        out.extend_from_slice(&word.to_be_bytes()[1..used]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_decimals() {
        let number = |text| Number::parse(text);
        assert_eq!(number("10"), number("10.0"));
        assert_eq!(number("-0"), number("0"));
        assert!(number("0.1") < number("0.10000000000000001"));
        assert!(number("9007199254740993") > number("9007199254740992"));
        for bad in ["", "-", "1.", ".5", "1e3", "0x1", "1_0", " 1", "999999999999999999999999999999999999999"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }

    #[test]
    fn dates_take_the_w3c_forms_and_seconds() {
        let at = |text| Moment::parse(text);
        assert_eq!(at("1970-01-01T00:00:00Z"), Some(Moment(0)));
        assert_eq!(at("2000-02-29"), at("951782400"));
        assert_eq!(at("2026-11-26T12:00:00+02:00"), at("2026-11-26T10:00Z"));
        assert_eq!(at("2026-11-26T10:00:00.5Z").map(|m| m.0 % 1_000_000_000), Some(500_000_000));
        assert_eq!(at("2026-11"), at("2026-11-01T00:00Z"));
        assert!(at("2026-11-26T10:00:00Z") < at("2026-11-26T10:00:01Z"));
        for bad in ["", "2026", "2026-13", "2026-02-29", "2026-11-26T25:00Z", "2026-11-26T10:00:00", "tomorrow", "é"] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    #[test]
    fn ranges_hold_their_addresses() {
        let holds = |range: &str, address: &str| Cidr::parse(range).unwrap().contains(address.parse().unwrap());
        assert!(holds("203.0.113.0/24", "203.0.113.255"));
        assert!(!holds("203.0.113.0/24", "203.0.114.0"));
        assert!(holds("0.0.0.0/0", "1.2.3.4"));
        assert!(!holds("0.0.0.0/0", "::1"));
        assert!(holds("203.0.113.7", "203.0.113.7"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(!holds("2001:db8::/33", "2001:db8:ffff::1"));
        assert!(holds("::/0", "2001:db8::1"));
        for bad in ["", "203.0.113.0/33", "203.0.113.0/", "203.0.113/24", "::/129", "203.0.113.0/+8"] {
            assert_eq!(Cidr::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn base64_is_compared_as_bytes() {
        assert_eq!(base64("aGVsbG8=").as_deref(), Some(b"hello".as_slice()));
        assert_eq!(base64("aGVsbG9v").as_deref(), Some(b"helloo".as_slice()));
        assert_eq!(base64("aGVsbA==").as_deref(), Some(b"hell".as_slice()));
        assert_eq!(base64("").as_deref(), Some(b"".as_slice()));
        assert_eq!(base64("a=bc"), None);
        assert_eq!(base64("abc"), None);
    }
}
