//! URLs of servers.

use http::uri::Authority;

/// What a URL of a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Url<'a> {
    /// Whether the server is spoken to by gRPC, and not by HTTP.
    pub is_grpc: bool,
    /// Whether that is by TLS.
    pub is_tls: bool,
    /// The host, and the port if there is one.
    pub place: &'a str,
}

impl<'a> Url<'a> {
    /// Reads one; `None` if it is none.
    pub fn read(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (is_grpc, is_tls) = match scheme.to_ascii_lowercase().as_str() {
            "grpc" => (true, false),
            "grpcs" => (true, true),
            "http" => (false, false),
            "https" => (false, true),
            _ => return None,
        };
        let place = rest.strip_suffix('/').unwrap_or(rest);
        is_place(place).then_some(Self { is_grpc, is_tls, place })
    }
}

/// Whether this is a host, with a port or without, and nothing else.
fn is_place(text: &str) -> bool {
    let Ok(authority) = text.parse::<Authority>() else { return false };
    let host = authority.host();
    match text.strip_prefix(host) {
        _ if host.is_empty() => false,
        Some("") => true,
        // With a port; a name of a user before the host is not taken.
        Some(_) => authority.port_u16().is_some(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_scheme_and_a_place() {
        let read = |text| Url::read(text).map(|url| (url.is_grpc, url.is_tls, url.place));
        assert_eq!(read("grpc://localhost:50051"), Some((true, false, "localhost:50051")));
        assert_eq!(read("GRPCS://db.example:443/"), Some((true, true, "db.example:443")));
        assert_eq!(read("http://[::1]:3000"), Some((false, false, "[::1]:3000")));
        assert_eq!(read("https://127.0.0.1"), Some((false, true, "127.0.0.1")));
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused() {
        for text in [
            "",
            "localhost:3000",
            "redis://localhost:6380",
            "http:/localhost",
            "http://",
            "http:///",
            "http://:3000",
            "http://localhost:",
            "http://localhost:99999",
            "http://localhost:port",
            "http://localhost:3000/v1",
            "http://localhost:3000//",
            "http://localhost:3000?x=1",
            "http://localhost#x",
            "http://user@localhost:3000",
            "http://user:secret@localhost:3000",
            "http://::1:3000",
            "http://[::1:3000",
            "http://local host:3000",
            " http://localhost:3000",
        ] {
            assert_eq!(Url::read(text), None, "{text}");
        }
    }
}
