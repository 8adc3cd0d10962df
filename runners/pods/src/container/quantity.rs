//! Kubernetes quantities as numbers.
//! Keeps no units: the caller knows whether it asked for bytes or for cores.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// A quantity in thousandths, so that `500m` is 500 and `64Mi` is 67108864000.
fn milli(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let factor: f64 = match &text[digits..] {
        "m" => 1.0,
        "" => 1e3,
        "k" => 1e6,
        "M" => 1e9,
        "G" => 1e12,
        "T" => 1e15,
        "Ki" => 1e3 * 1024.0,
        "Mi" => 1e3 * 1_048_576.0,
        "Gi" => 1e3 * 1_073_741_824.0,
        "Ti" => 1e3 * 1_099_511_627_776.0,
        _other => return None,
    };
    format!("{:.0}", number * factor).parse().ok()
}

/// A named quantity in thousandths of its unit.
pub(super) fn of(resources: Option<&BTreeMap<String, Quantity>>, name: &str) -> Option<i64> {
    milli(&resources?.get(name)?.0)
}

#[cfg(test)]
mod tests {
    use super::milli;

    #[test]
    fn quantities_are_numbers() {
        assert_eq!(milli("500m"), Some(500));
        assert_eq!(milli("64Mi"), Some(67_108_864_000));
        assert_eq!(milli("1.5"), Some(1500));
        assert_eq!(milli("2k"), Some(2_000_000));
        assert_eq!(milli("x"), None);
        assert_eq!(milli("5 apples"), None);
    }
}
