//! One order at a certificate authority (RFC 8555, 7.1.2): names in, certificate out, or why not
//! and what to do about it. Leaves to others when to order (`schedule`) and what becomes of the
//! certificate (the keeper in this folder's `mod.rs`).

use super::schedule::Way;
use crate::limits::ACME_STEP_S;
use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, ChallengeType, Error, Identifier,
    KeyAuthorization, NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use parking_lot::Mutex;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use shield::edge::tls::{CertificateError, Certificates};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// How types of problems begin (RFC 8555, 6.7).
const PROBLEM: &str = "urn:ietf:params:acme:error:";

/// What port 80 answers to who validates: the text under each token. Bounded by the names of one
/// order, whose tokens leave when it ends.
pub(crate) type Fetched = Arc<Mutex<HashMap<String, String>>>;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The directory, or the way to it.
    #[error("the directory: {}", chain(.0))]
    Directory(#[from] Error),
    /// A name was not found to be ours.
    #[error("{name} was not found to be this server's{}", said(.problem))]
    Refused { name: String, problem: Option<Problem> },
    /// The directory has no such way.
    #[error("the directory offers no way for {0} that this server has")]
    NoWay(String),
    /// The order became something that no order should.
    #[error("the order ended as {0}")]
    Ended(String),
    /// A certificate of our own could not be made, or theirs not used.
    #[error("{0}: {1}")]
    Unusable(&'static str, String),
    /// It took too long.
    #[error("the directory did not come to an end in time")]
    Late,
}

fn chain(error: &Error) -> String {
    let (mut said, mut source) = (error.to_string(), std::error::Error::source(error));
    while let Some(error) = source {
        said = format!("{said}: {error}");
        source = error.source();
    }
    said
}

fn said(problem: &Option<Problem>) -> String {
    problem.as_ref().map_or_else(String::new, |problem| format!(": {problem}"))
}

impl Trouble {
    /// The kind of problem, where the directory named one.
    pub(super) fn kind(&self) -> Option<&str> {
        let problem = match self {
            Self::Directory(Error::Api(problem)) => problem,
            Self::Refused { problem: Some(problem), .. } => problem,
            _ => return None,
        };
        problem.r#type.as_deref()?.strip_prefix(PROBLEM)
    }

    /// What whoever runs this place can do about it.
    pub(super) fn advice(&self, way: Way) -> &'static str {
        match (self.kind(), way) {
            (Some("dns"), _) => "let the name's A and AAAA records lead to this machine",
            (Some("caa"), _) => "let the name's CAA record admit this authority, or remove it",
            (Some("rateLimited"), _) => {
                "wait: it was asked for too much; it is asked again by itself"
            }
            (Some("rejectedIdentifier"), _) => "this authority does not certify that name",
            (Some("userActionRequired"), _) => "its terms have changed: read them at the directory",
            (Some("externalAccountRequired"), _) => {
                "choose a directory that needs no account of its own"
            }
            (Some("serverInternal"), _) => "nothing: the directory has a fault; it is asked again",
            (_, Way::Fetch) if matches!(self, Self::Refused { .. }) => {
                "let port 80 of the name's addresses (IPv4 and IPv6) reach tls.redirect_listen"
            }
            (_, Way::Handshake) if matches!(self, Self::Refused { .. }) => {
                "let port 443 of the name's addresses (IPv4 and IPv6) reach server.listen, with no \
                 proxy in between that speaks TLS; or set tls.redirect_listen and let port 80 \
                 reach that"
            }
            (None, _) => "can this machine reach tls.acme_directory? It is asked again by itself",
            (Some(_), _) => "see what it says; it is asked again by itself",
        }
    }
}

/// What an order needs of this server.
pub(super) struct Means<'a> {
    pub certificates: &'a Certificates,
    pub fetched: &'a Fetched,
    pub ways: &'a [Way],
    pub way: Way,
}

/// A certificate that was given, with its key, in PEM.
pub(super) struct Given {
    pub chain_pem: String,
    pub key_pem: String,
}

/// Orders a certificate for these names.
pub(super) async fn place(
    account: &Account,
    names: &[String],
    means: &Means<'_>,
) -> Result<Given, Trouble> {
    let identifiers: Vec<_> = names.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    let policy = RetryPolicy::new().timeout(Duration::from_secs(ACME_STEP_S));
    let mut answers = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(found) = authorizations.next().await {
        answers.extend(answer(found?, means).await?);
    }
    match order.poll_ready(&policy).await {
        Ok(OrderStatus::Ready) => {}
        Ok(_) | Err(Error::Api(_)) => return Err(refused(&mut order).await),
        Err(error) => return Err(error.into()),
    }
    drop(answers);
    let unusable = |error: rcgen::Error| Trouble::Unusable("no request", error.to_string());
    let key = KeyPair::generate().map_err(unusable)?;
    let mut params = CertificateParams::new(names).map_err(unusable)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&key).map_err(unusable)?;
    order.finalize_csr(request.der()).await?;
    let chain_pem = order.poll_certificate(&policy).await?;
    Ok(Given { chain_pem, key_pem: key.serialize_pem() })
}

/// Which name was refused, and why, as far as the directory says.
async fn refused(order: &mut Order) -> Trouble {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut found)) = authorizations.next().await {
        if found.refresh().await.is_err() || found.status == AuthorizationStatus::Valid {
            continue;
        }
        let problem = found.challenges.iter().find_map(|challenge| challenge.error.clone());
        return Trouble::Refused { name: found.identifier().to_string(), problem };
    }
    let state = order.state();
    match state.error.clone() {
        Some(problem) => Trouble::Directory(Error::Api(problem)),
        None => Trouble::Ended(format!("{:?}", state.status)),
    }
}

/// Makes the answer to one validation and says that it may come. None where the directory knows
/// the name to be ours already.
async fn answer<'a>(
    mut found: AuthorizationHandle<'_>,
    means: &'a Means<'a>,
) -> Result<Option<Answer<'a>>, Trouble> {
    if found.status == AuthorizationStatus::Valid {
        return Ok(None);
    }
    let name = found.identifier().to_string();
    let kind = |way| match way {
        Way::Handshake => ChallengeType::TlsAlpn01,
        Way::Fetch => ChallengeType::Http01,
    };
    let is_offered = |way: &Way| found.challenges.iter().any(|c| c.r#type == kind(*way));
    // The one that was meant first, and any other rather than none.
    let mut ways = std::iter::once(&means.way).chain(means.ways);
    let way = ways.find(|way| means.ways.contains(way) && is_offered(way)).copied();
    let Some(way) = way else { return Err(Trouble::NoWay(name)) };
    let Some(mut challenge) = found.challenge(kind(way)) else { return Err(Trouble::NoWay(name)) };
    let proof = challenge.key_authorization();
    let answer = match way {
        Way::Handshake => {
            in_a_handshake(means.certificates, &name, &proof)?;
            Answer::Handshake(means.certificates, name)
        }
        Way::Fetch => {
            let token = challenge.token.clone();
            means.fetched.lock().insert(token.clone(), proof.as_str().to_owned());
            Answer::Fetch(means.fetched, token)
        }
    };
    challenge.set_ready().await?;
    Ok(Some(answer))
}

/// Has handshakes of validations get the certificate that proves it (RFC 8737, 3).
fn in_a_handshake(
    certificates: &Certificates,
    name: &str,
    proof: &KeyAuthorization,
) -> Result<(), Trouble> {
    let unusable = |error: rcgen::Error| Trouble::Unusable("no proof", error.to_string());
    let mut params = CertificateParams::new([name.to_owned()]).map_err(unusable)?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(proof.digest().as_ref())];
    let key = KeyPair::generate().map_err(unusable)?;
    let made = params.self_signed(&key).map_err(unusable)?;
    let (chain, key) = (made.pem(), key.serialize_pem());
    let unusable = |error: CertificateError| Trouble::Unusable("no proof", error.to_string());
    certificates.answer_challenge(name, chain.as_bytes(), key.as_bytes()).map_err(unusable)
}

/// An answer that stands until this is dropped.
enum Answer<'a> {
    Handshake(&'a Certificates, String),
    Fetch(&'a Fetched, String),
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        match self {
            Self::Handshake(certificates, name) => certificates.forget_challenge(name),
            Self::Fetch(fetched, token) => {
                fetched.lock().remove(token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: &str) -> Problem {
        let text = format!("{{\"type\": \"{PROBLEM}{kind}\", \"detail\": \"so it is\"}}");
        serde_json::from_str(&text).expect("a problem")
    }

    #[test]
    fn each_trouble_says_what_to_do() {
        let refused = |kind: &str| Trouble::Refused {
            name: "example.org".to_owned(),
            problem: Some(problem(kind)),
        };
        for (trouble, way, expected) in [
            (refused("dns"), Way::Handshake, "A and AAAA records"),
            (refused("caa"), Way::Fetch, "CAA"),
            (refused("connection"), Way::Handshake, "port 443"),
            (refused("unauthorized"), Way::Fetch, "port 80"),
            (Trouble::Directory(Error::Api(problem("rateLimited"))), Way::Fetch, "wait"),
            (Trouble::Late, Way::Fetch, "can this machine reach"),
            (Trouble::Directory(Error::Str("an answer")), Way::Fetch, "can this machine reach"),
        ] {
            let advice = trouble.advice(way);
            assert!(advice.contains(expected), "{trouble}: {advice}");
        }
        let said = refused("dns").to_string();
        assert!(said.contains("example.org") && said.contains("so it is"), "{said}");
    }
}
