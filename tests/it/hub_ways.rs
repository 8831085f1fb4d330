//! The ways to a hub: over TLS, with the authorities that this machine trusts, and through a proxy.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::hub::Desk;
use crate::hub_server::{Manners, REPOSITORY};
use crate::support::stderr;

/// A door to the hub that speaks TLS, with a certificate that only its own file vouches for. It is a
/// proxy as well: asked to connect to somewhere, it says so, and is that place itself.
struct Door {
    address: String,
    connects: Arc<Mutex<Vec<String>>>,
}

/// A hub that keeps large files behind TLS, as it must; nobody goes there here.
fn desk() -> Desk {
    Desk::with(Manners {
        redirect: Some("https://store.invalid/weights"),
        ..Manners::default()
    })
}

fn tls(name: &str) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls");
    data.join(name)
}

impl Door {
    fn to(hub: &str) -> Door {
        let certificate = CertificateDer::from_pem_file(tls("certificate.pem"));
        let key = PrivateKeyDer::from_pem_file(tls("key.pem")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.expect("a certificate")], key);
        let config = Arc::new(config.expect("a server"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let door = Door {
            address: listener.local_addr().expect("an address").to_string(),
            connects: Arc::default(),
        };
        let hub = hub.trim_start_matches("http://").to_owned();
        let connects = Arc::clone(&door.connects);
        // Ends with the tests.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                // Whoever does not trust it hangs up.
                let _ = serve(connection, &config, &hub, &connects);
            }
        });
        door
    }
}

fn serve(
    mut connection: TcpStream,
    config: &Arc<ServerConfig>,
    hub: &str,
    connects: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut first = [0];
    connection.peek(&mut first)?;
    if first == *b"C" {
        let asked = question(&mut connection)?;
        let line = asked.lines().next().unwrap_or_default().to_owned();
        connects.lock().expect("no panic").push(line);
        connection.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    }
    let session = ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(session, connection);
    let asked = question(&mut stream)?;
    let mut to_hub = TcpStream::connect(hub)?;
    to_hub.write_all(asked.as_bytes())?;
    std::io::copy(&mut to_hub, &mut stream)?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// Everything up to the first empty line.
fn question(from: &mut impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    // Not a byte more: what follows is not for this.
    let mut from = BufReader::with_capacity(1, from);
    while from.read_line(&mut text)? > 2 {}
    Ok(text)
}

#[test]
fn an_authority_of_the_system_is_trusted_and_no_other() {
    let desk = desk();
    let door = Door::to(&desk.server.address());
    let address = format!("https://{}", door.address);
    // Without consent the hub's answers are told, and nothing comes.
    let told = |variable: &str, value: &Path| {
        let mut get = desk.command();
        get.args(["model", "get", REPOSITORY])
            .env("HF_ENDPOINT", &address)
            .env(variable, value);
        stderr(&get.output().expect("it runs"))
    };
    let text = told("SSL_CERT_FILE", &tls("certificate.pem"));
    assert!(text.contains("licence: apache-2.0"), "{text}");
    let text = told("SSL_CERT_FILE", &tls("key.pem"));
    assert!(
        text.contains("no certificates can be read from what SSL_CERT_FILE names"),
        "{text}"
    );
    let text = told("UNRELATED", &tls("certificate.pem"));
    assert!(
        text.contains("UnknownIssuer") && text.contains(&address),
        "{text}"
    );
}

#[test]
fn a_proxy_is_asked_for_the_hub() {
    let desk = desk();
    let door = Door::to(&desk.server.address());
    let told = |proxies: &[(&str, &str)]| {
        let mut get = desk.command();
        get.args(["model", "get", REPOSITORY])
            .env("HF_ENDPOINT", "https://hub.invalid")
            .env("SSL_CERT_FILE", tls("certificate.pem"))
            .envs(proxies.iter().copied());
        stderr(&get.output().expect("it runs"))
    };
    let proxy = format!("http://{}", door.address);
    let text = told(&[("HTTPS_PROXY", &proxy)]);
    assert!(text.contains("licence: apache-2.0"), "{text}");
    let connects = door.connects.lock().expect("no panic").clone();
    assert!(!connects.is_empty());
    assert!(
        connects
            .iter()
            .all(|line| line.starts_with("CONNECT hub.invalid:443 ")),
        "{connects:?}"
    );
    let text = told(&[("HTTPS_PROXY", &proxy), ("NO_PROXY", "hub.invalid")]);
    assert!(text.contains("see that the network is there"), "{text}");
    assert_eq!(
        door.connects.lock().expect("no panic").len(),
        connects.len()
    );
}
