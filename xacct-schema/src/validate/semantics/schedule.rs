//! `rate(…)`, `cron(…)` and `at(…)`.

use serde_json::{Map, Value};

use super::literal;
use crate::validate::{Finding, Rule};

const PROPERTY: &str = "ScheduleExpression";

/// `scheduler` is whether it is EventBridge Scheduler, which also takes a point in time.
pub(super) fn check(logical_id: &str, properties: &Map<String, Value>, scheduler: bool, findings: &mut Vec<Finding>) {
    let Some(expression) = literal(properties, PROPERTY) else { return };
    if let Some((message, expected)) = mistake(expression, scheduler) {
        findings.push(Finding::new(Rule::ScheduleExpression, logical_id, PROPERTY, message).expected(expected));
    }
}

fn mistake(expression: &str, scheduler: bool) -> Option<(String, &'static str)> {
    let inner = |kind: &str| expression.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(rate) = inner("rate") {
        let expected = "such as `rate(1 day)` or `rate(5 minutes)`";
        return mistake_in_rate(rate, scheduler).map(|message| (message, expected));
    }
    if let Some(cron) = inner("cron") {
        let expected = "minutes, hours, day of month, month, day of week and year, such as `cron(0 12 ? * MON-FRI *)`";
        return mistake_in_cron(cron).map(|message| (message, expected));
    }
    if scheduler && inner("at").is_some() {
        return None;
    }
    Some((format!("`{expression}` is no schedule"), "`rate(…)` or `cron(…)`"))
}

fn mistake_in_rate(rate: &str, scheduler: bool) -> Option<String> {
    let parts: Vec<&str> = rate.split_whitespace().collect();
    let [count, unit] = parts.as_slice() else {
        return Some(format!("`{rate}` is not a number and a unit"));
    };
    let Some(count) = count.parse::<u64>().ok().filter(|count| *count > 0) else {
        return Some(format!("`{count}` is not a number above 0"));
    };
    let singular = unit.strip_suffix('s').unwrap_or(unit);
    if !["minute", "hour", "day"].contains(&singular) {
        return Some(format!("`{unit}` is no unit of a rate"));
    }
    let wrong_number = if count == 1 { unit.ends_with('s') } else { !unit.ends_with('s') };
    (wrong_number && !scheduler).then(|| format!("`{count} {unit}` mixes singular and plural"))
}

fn mistake_in_cron(cron: &str) -> Option<String> {
    let fields: Vec<&str> = cron.split_whitespace().collect();
    let [minutes, hours, day_of_month, month, day_of_week, year] = fields.as_slice() else {
        return Some(format!("`{cron}` has {} fields and not 6", fields.len()));
    };
    if *day_of_month != "?" && *day_of_week != "?" {
        return Some("either the day of the month or the day of the week must be `?`".to_owned());
    }
    const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    [
        ("minutes", minutes, 0, 59, [].as_slice()),
        ("hours", hours, 0, 23, &[]),
        ("day of month", day_of_month, 1, 31, &[]),
        ("month", month, 1, 12, &MONTHS),
        ("day of week", day_of_week, 1, 7, &DAYS),
        ("year", year, 1970, 2199, &[]),
    ]
    .into_iter()
    .find(|(_, field, least, most, names)| !is_field(field, *least, *most, names))
    .map(|(name, field, least, most, _)| format!("`{field}` is no {name} ({least} to {most})"))
}

/// Lists, ranges and steps of numbers and names; `L`, `W` and `#` are left to EventBridge.
fn is_field(field: &str, least: u32, most: u32, names: &[&str]) -> bool {
    if field.contains(['L', 'W', '#']) && names.len() != 12 {
        return true;
    }
    let is_value = |value: &str| {
        matches!(value, "*" | "?")
            || value.parse::<u32>().is_ok_and(|number| (least..=most).contains(&number))
            || names.contains(&value.to_uppercase().as_str())
    };
    field.split(',').all(|part| {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        is_value(from) && is_value(to) && step.is_none_or(|step| step.parse::<u32>().is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::mistake;

    #[test]
    fn right_schedules() {
        for right in [
            "rate(1 minute)",
            "rate(5 minutes)",
            "cron(0 12 * * ? *)",
            "cron(15 10 ? * 6L 2002-2005)",
            "cron(0/15 * * * ? *)",
            "cron(0 8 1 JAN,JUL ? 2030)",
            "cron(0 18 ? * MON-FRI *)",
            "cron(0 9 ? * 2#1 *)",
            "cron(0 9 L * ? *)",
            "cron(5,35 14 * * ? *)",
        ] {
            assert_eq!(mistake(right, false), None, "{right}");
        }
        assert_eq!(mistake("at(2030-01-01T00:00:00)", true), None);
    }

    #[test]
    fn wrong_schedules() {
        for wrong in [
            "every day",
            "rate(1 minutes)",
            "rate(5 minute)",
            "rate(0 days)",
            "rate(1 fortnight)",
            "rate()",
            "cron(0 12 * * *)",
            "cron(0 12 * * * *)",
            "cron(61 12 * * ? *)",
            "cron(0 12 ? * FOO *)",
            "at(2030-01-01T00:00:00)",
        ] {
            assert!(mistake(wrong, false).is_some(), "{wrong}");
        }
    }
}
