//! Keys, and what they allow.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::error::{Error, Result};

/// What comes of hashing a variable that was not set.
const SHA256_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Rate listings.
    Classify,
    /// Read limits and versions.
    Info,
    /// Run models on tensors, read what they take and how they run.
    Infer,
    /// Read the operators' metrics.
    Metrics,
    /// Load, promote and roll back models, and read the metrics.
    Admin,
}

/// What may be open to everybody, also without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Openly {
    /// Whether the server lives and is ready.
    Health,
    /// The services and their messages.
    Reflection,
}

/// A key that may call.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Name for logs.
    pub name: String,
    /// SHA-256 of the key, lower-case hex; empty: its holder shows a certificate.
    #[serde(default)]
    pub sha256: String,
    /// SHA-256 of the certificate that its holder shows, lower-case hex; empty: it sends a key.
    #[serde(default)]
    pub certificate_sha256: String,
    /// A date; from its beginning on, in UTC, it counts no more. `None`: it counts for ever.
    #[serde(default)]
    pub expires: Option<Expiry>,
    /// What it allows.
    pub roles: Vec<Role>,
    /// Its share of the workers in relation to others', 1 to 1000.
    #[serde(default = "one")]
    pub weight: u32,
}

/// A date from which a key counts no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::value::Datetime")]
pub struct Expiry(SystemTime);

impl Expiry {
    /// Whether it has come.
    pub fn has_passed(self) -> bool {
        SystemTime::now() >= self.0
    }
}

impl TryFrom<toml::value::Datetime> for Expiry {
    type Error = String;

    fn try_from(given: toml::value::Datetime) -> std::result::Result<Self, String> {
        let told = || format!("expires: {given} must be a date such as 2027-01-31");
        let date = given.date.filter(|_| given.time.is_none() && given.offset.is_none()).ok_or_else(told)?;
        let days = days_since_1970(i64::from(date.year), i64::from(date.month), i64::from(date.day));
        let seconds = u64::try_from(days * 86_400).map_err(|_early| told())?;
        Ok(Self(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)))
    }
}

/// Of a date of the Gregorian calendar: years are counted from March on, so that the leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn one() -> u32 {
    1
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey")
            .field("name", &self.name)
            .field("sha256", &"***")
            .field("roles", &self.roles)
            .field("weight", &self.weight)
            .finish()
    }
}

impl ApiKey {
    /// Whether its holder may do what the role allows. Operators read the metrics, too.
    pub fn allows(&self, role: Role) -> bool {
        self.roles.contains(&role) || (role == Role::Metrics && self.roles.contains(&Role::Admin))
    }

    /// Whether one of `keys` has the role.
    pub(super) fn allows_somebody(keys: &[Self], role: Role) -> bool {
        keys.iter().any(|key| key.roles.contains(&role))
    }

    /// # Errors
    /// [`Error::Setup`] naming the key whose hash is none, or is another's, too: only the first of two would count.
    pub(super) fn check_all(keys: &[Self]) -> Result<()> {
        for (index, key) in keys.iter().enumerate() {
            key.check()?;
            let same = |other: &&Self| {
                (!key.sha256.is_empty() && other.sha256 == key.sha256)
                    || (!key.certificate_sha256.is_empty() && other.certificate_sha256 == key.certificate_sha256)
            };
            if let Some(other) = keys.iter().take(index).find(same) {
                return Err(Error::setup(format!("auth.keys.{}: sha256 is that of {}, too", key.name, other.name)));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        // It names a caller in logs and metrics, where "none" is who has no key.
        let is_name = !self.name.is_empty() && self.name != "none" && !self.name.contains(char::is_control);
        if !is_name {
            let given = &self.name;
            return Err(Error::setup(format!(
                "auth.keys: name {given:?} must have letters of one line, and not be none"
            )));
        }
        if self.roles.is_empty() {
            return Err(Error::setup(format!("auth.keys.{}: roles are empty: it would allow nothing", self.name)));
        }
        if self.sha256 == SHA256_OF_NOTHING {
            return Err(Error::setup(format!("auth.keys.{}: sha256 is that of an empty key", self.name)));
        }
        if !(1..=1000).contains(&self.weight) {
            return Err(Error::setup(format!("auth.keys.{}: weight {} must be in 1 to 1000", self.name, self.weight)));
        }
        let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match (self.sha256.as_str(), self.certificate_sha256.as_str()) {
            (key, "") if is_hash(key) => Ok(()),
            ("", certificate) if is_hash(certificate) => Ok(()),
            _ => Err(Error::setup(format!(
                "auth.keys.{}: sha256, or certificate_sha256 in its place, must be 64 lower-case hex digits",
                self.name
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_nothing_a_nameless_one_and_one_that_allows_nothing_are_refused() {
        let key = |name: &str, sha256: &str, roles: &[Role]| ApiKey {
            name: name.into(),
            sha256: sha256.into(),
            certificate_sha256: String::new(),
            expires: None,
            roles: roles.to_vec(),
            weight: 1,
        };
        let hash = "0".repeat(64);
        assert!(ApiKey::check_all(&[key("a", &hash, &[Role::Info])]).is_ok());
        for (wrong, said) in [
            (key("a", SHA256_OF_NOTHING, &[Role::Info]), "empty key"),
            (key("", &hash, &[Role::Info]), "name"),
            (key("none", &hash, &[Role::Info]), "name"),
            (key("a\nb", &hash, &[Role::Info]), "name"),
            (key("a", &hash, &[]), "roles"),
        ] {
            let problem = ApiKey::check_all(&[wrong]).unwrap_err().to_string();
            assert!(problem.contains(said), "{problem}");
        }
    }

    #[test]
    fn a_date_is_read_as_its_first_second() {
        let of = |text: &str| Expiry::try_from(text.parse::<toml::value::Datetime>().unwrap());
        for (date, seconds) in [("1970-01-01", 0), ("2000-02-29", 951_782_400), ("2027-01-31", 1_801_353_600)] {
            assert_eq!(of(date), Ok(Expiry(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))), "{date}");
        }
        assert!(of("2001-01-01").unwrap().has_passed() && !of("2999-12-31").unwrap().has_passed());
        assert!(of("2027-01-31T10:00:00Z").is_err() && of("10:00:00").is_err() && of("1969-12-31").is_err());
    }
}
