//! What a certificate says of itself: from when to when it holds, and for which names. Leaves
//! trust, signatures and the key to rustls.

use crate::{hint, limits::CERTIFICATE_BYTES_MAX};
use anyhow::{Context as _, ensure};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use std::{io::Read as _, path::Path};
use x509_cert::{
    Certificate,
    der::Decode as _,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

/// When a certificate holds, and for whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Facts {
    /// From when, in Unix milliseconds.
    pub begins_ms: i64,
    /// Until when, in Unix milliseconds.
    pub ends_ms: i64,
    /// Its DNS names, in lower case. One that begins with `*.` stands for one label.
    pub names: Vec<String>,
}

impl Facts {
    /// Of a certificate in DER (RFC 5280).
    pub(crate) fn read(der: &[u8]) -> anyhow::Result<Self> {
        let certificate = Certificate::from_der(der).context("not a certificate (X.509)")?;
        let body = &certificate.tbs_certificate;
        let ms = |time: x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX)
        };
        let (begins_ms, ends_ms) = (ms(body.validity.not_before), ms(body.validity.not_after));
        let found = body.get::<SubjectAltName>().context("its names cannot be read")?;
        let names = found.map_or_else(Vec::new, |(_, all)| all.0);
        let dns = |name: GeneralName| match name {
            GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
            _ => None,
        };
        let names = names.into_iter().filter_map(dns).collect();
        Ok(Self { begins_ms, ends_ms, names })
    }

    /// Of the first certificate in a file of PEM, which is the server's own.
    pub(crate) fn of_pem(pem: &[u8]) -> anyhow::Result<Self> {
        let leaf = CertificateDer::from_pem_slice(pem);
        Self::read(&leaf.map_err(|_| anyhow::anyhow!("there is no certificate in it"))?)
    }

    /// Whether it holds for this name (RFC 6125, 6.4).
    pub(crate) fn covers(&self, name: &str) -> bool {
        self.names.iter().any(|own| {
            let star = own.strip_prefix("*.");
            own == name || star.is_some_and(|own| name.split_once('.').is_some_and(|n| n.1 == own))
        })
    }
}

/// What a file of certificates or keys holds; no more than such a file ever does.
pub(crate) fn read_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(CERTIFICATE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| hint::reaching("read", path, &error))?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|bytes| bytes <= CERTIFICATE_BYTES_MAX);
    ensure!(fits, "{} is too large for what it should be", path.display());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_certified_is_read_back() {
        let names = ["Example.org".to_owned(), "*.pages.example.org".to_owned()];
        let mut params = rcgen::CertificateParams::new(names).expect("names");
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(2051, 3, 4);
        let key = rcgen::KeyPair::generate().expect("a key");
        let made = params.self_signed(&key).expect("signed");
        let facts = Facts::of_pem(made.pem().as_bytes()).expect("read");
        assert_eq!(facts.begins_ms, 1_767_312_000_000);
        assert_eq!(facts.ends_ms, 2_561_500_800_000);
        for (name, expected) in [
            ("example.org", true),
            ("a.pages.example.org", true),
            ("pages.example.org", false),
            ("a.b.pages.example.org", false),
            ("www.example.org", false),
            ("", false),
        ] {
            assert_eq!(facts.covers(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for pem in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            assert!(Facts::of_pem(pem.as_bytes()).is_err(), "{pem}");
        }
    }
}
