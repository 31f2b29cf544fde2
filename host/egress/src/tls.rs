//! TLS: whom we trust, and what a failed handshake means.

use crate::target::{Host, Target};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use std::io;
use std::sync::Arc;
use stepwell_engine::ports::{HttpFault, HttpFaultKind};

/// Most certificates of one file: no list of authorities is longer.
const CERTIFICATES: usize = 1_000;

/// Whose certificates are accepted: Mozilla's list of authorities, and the operator's own.
#[derive(Debug, Clone)]
pub struct Authorities(RootCertStore);

/// A file of certificates that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidAuthority(String);

impl Default for Authorities {
    fn default() -> Self {
        Self(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }
}

impl Authorities {
    /// And those of this PEM text (`--trust-ca`).
    ///
    /// # Errors
    /// [`InvalidAuthority`]: it has no certificate, or one that cannot be read.
    pub fn with_pem(mut self, pem: &[u8]) -> Result<Self, InvalidAuthority> {
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(pem).take(CERTIFICATES) {
            let certificate = certificate.map_err(|error| InvalidAuthority(format!("it is not PEM: {error}")))?;
            let added = self.0.add(certificate);
            added.map_err(|error| InvalidAuthority(format!("it has a certificate that is none: {error}")))?;
            count += 1;
        }
        if count == 0 {
            return Err(InvalidAuthority(
                "there is no certificate in it: PEM (-----BEGIN CERTIFICATE-----)".to_owned(),
            ));
        }
        Ok(self)
    }

    /// How connections are made. No session is taken up again: tenants share nothing.
    pub(crate) fn config(self) -> Result<ClientConfig, InvalidAuthority> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| InvalidAuthority(format!("TLS is not available: {error}")))?;
        let mut config = config.with_root_certificates(self.0).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

/// Whose certificate it must be.
pub(crate) fn server_name(target: &Target) -> Result<ServerName<'static>, HttpFault> {
    match &target.host {
        Host::Address(address) => Ok(ServerName::from(*address)),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| {
            HttpFault::new(HttpFaultKind::Invalid, format!("{name} is no name that a certificate can have"))
        }),
    }
}

/// What a failed handshake was, for the author of the function.
pub(crate) fn fault(error: &io::Error, target: &Target) -> HttpFault {
    let host = &target.host;
    let message = match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(why)) => certificate(why, target),
        Some(Error::AlertReceived(_)) => format!("{host} refused the TLS handshake"),
        Some(_) => format!("{host} does not speak TLS as it should"),
        None => format!("{host} closed the connection during the TLS handshake"),
    };
    HttpFault::new(HttpFaultKind::Tls, message)
}

fn certificate(why: &CertificateError, target: &Target) -> String {
    let host = &target.host;
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of {host} has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of {host} is not valid yet")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the certificate that {host} showed is for another name")
        }
        CertificateError::UnknownIssuer => format!(
            "the certificate of {host} comes from an authority that is not trusted; the operator can trust it: --trust-ca FILE"
        ),
        _ => format!("the certificate of {host} is not accepted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_authorities_is_checked() {
        let count = Authorities::default().0.len();
        assert!(count > 50, "{count}");
        let own = rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("a certificate").cert.pem();
        let both = format!("text\n{own}\n{own}");
        assert_eq!(Authorities::default().with_pem(both.as_bytes()).expect("fine").0.len(), count + 2);
        for bad in [
            "",
            "text",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\n",
        ] {
            assert!(Authorities::default().with_pem(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
