use pingora::connectors::http::Connector;
use pingora::upstreams::peer::Peer as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::proxy::Login;
use super::tunnel::TunnelError;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn way(url: &str, account: Option<&str>) -> Way {
    Way { proxy: Arc::new(Proxy::parse(url).unwrap()), account: account.map(str::to_owned) }
}

fn base(url: &str) -> BaseUrl {
    BaseUrl::parse(url).unwrap()
}

fn hop() -> SocketAddr {
    "127.0.0.1:3128".parse().unwrap()
}

#[test]
fn kept_connections_are_of_one_proxy_login_provider_and_owner() {
    let key =
        |url: &str, account, provider: &str| way(url, account).peer(&base(provider), hop(), None, SECOND).reuse_hash();
    let one = || key("http://u:p@proxy.example:3128", None, "https://provider.example");
    assert_eq!(one(), one(), "what is the same is used again");
    let mut all = vec![
        one(),
        key("http://u:other@proxy.example:3128", None, "https://provider.example"),
        key("http://other:p@proxy.example:3128", None, "https://provider.example"),
        key("http://proxy.example:3128", None, "https://provider.example"),
        key("http://u:p@other.example:3128", None, "https://provider.example"),
        key("http://u:p@proxy.example:3129", None, "https://provider.example"),
        key("socks5h://u:p@proxy.example:3128", None, "https://provider.example"),
        key("socks5://u:p@proxy.example:3128", None, "https://provider.example"),
        key("http://u:p@proxy.example:3128", None, "https://other.example"),
        key("http://u:p@proxy.example:3128", None, "https://provider.example:444"),
        key("http://u:p@proxy.example:3128", None, "http://provider.example:443"),
        key("http://u:p@proxy.example:3128", Some("a"), "https://provider.example"),
        key("http://u:p@proxy.example:3128", Some("b"), "https://provider.example"),
        HttpPeer::new(hop(), true, "provider.example".to_owned()).reuse_hash(),
    ];
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "no two of them share a connection");
}

#[test]
fn the_provider_s_certificate_is_checked_for_its_own_name_behind_a_proxy_too() {
    let peer = way("http://proxy.example:3128", None).peer(&base("https://provider.example"), hop(), None, SECOND);
    assert_eq!((peer.sni(), peer.is_tls()), ("provider.example", true));
    assert!(peer.verify_cert() && peer.verify_hostname() && peer.alternative_cn().is_none());
}

/// What a proxy hears and what comes of it when it answers `replies`, one to each thing that it reads.
async fn plays(kind: Kind, login: bool, target: Target, replies: &[&[u8]]) -> (Vec<Vec<u8>>, Result<(), TunnelError>) {
    let (mut ours, mut theirs) = tokio::io::duplex(64 * 1024);
    let login = login.then(|| Login { user: "user".into(), password: "pass".into() });
    let replies: Vec<Vec<u8>> = replies.iter().map(|reply| reply.to_vec()).collect();
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        for reply in replies {
            let mut said = vec![0; 4096];
            let read = theirs.read(&mut said).await.unwrap();
            said.truncate(read);
            heard.push(said);
            theirs.write_all(&reply).await.unwrap();
        }
        heard
    });
    let opened = match kind {
        Kind::Http => http_connect::open(&mut ours, &target, login.as_ref()).await,
        Kind::Socks5 | Kind::Socks5h => socks5::open(&mut ours, &target, login.as_ref()).await,
    };
    drop(ours);
    (heard.await.unwrap(), opened)
}

fn named() -> Target {
    Target::Name("provider.example".into(), 443)
}

#[tokio::test]
async fn rfc9110_9_3_6_a_tunnel_is_asked_for_with_host_and_login() {
    let (heard, opened) =
        plays(Kind::Http, true, named(), &[b"HTTP/1.1 200 Connection established\r\nx: y\r\n\r\n"]).await;
    assert_eq!(opened, Ok(()));
    let wanted = "CONNECT provider.example:443 HTTP/1.1\r\nHost: provider.example:443\r\n\
                  Proxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&heard[0]), wanted);
    let v6 = Target::Address("[::1]:8443".parse().unwrap());
    let (heard, opened) = plays(Kind::Http, false, v6, &[b"HTTP/1.0 200\r\n\r\n"]).await;
    assert_eq!(opened, Ok(()));
    assert_eq!(String::from_utf8_lossy(&heard[0]), "CONNECT [::1]:8443 HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n");
}

#[tokio::test]
async fn what_is_no_plain_yes_to_a_connect_is_no_tunnel() {
    let alone = TunnelError::Strange("the answer to a CONNECT alone");
    for (reply, login, wanted) in [
        (&b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..], true, TunnelError::Login),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", false, TunnelError::NoLogin),
        (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno", true, TunnelError::Status(403)),
        (b"HTTP/1.1 302 Found\r\nlocation: https://elsewhere.example\r\n\r\n", true, TunnelError::Status(302)),
        (b"HTTP/1.1 100 Continue\r\n\r\n", true, TunnelError::Status(100)),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", true, alone),
        (b"HTTP/1.1 2000 OK\r\n\r\n", true, TunnelError::Strange("HTTP")),
        (b"HTTP/1.1 20\r\n\r\n", true, TunnelError::Strange("HTTP")),
        (b"SSH-2.0-x\r\n\r\n", true, TunnelError::Strange("HTTP")),
        (b"\r\n\r\n", true, TunnelError::Strange("HTTP")),
        (b"HTTP/1.1 200 OK\r\n", true, TunnelError::Broken(std::io::ErrorKind::UnexpectedEof)),
        ("x".repeat(20_000).as_bytes(), true, TunnelError::Strange("an HTTP answer of a reasonable size")),
    ] {
        let (_, opened) = plays(Kind::Http, login, named(), &[reply]).await;
        assert_eq!(opened, Err(wanted), "{}", String::from_utf8_lossy(reply));
    }
}

const BOUND: &[u8] = &[5, 0, 0, 1, 10, 0, 0, 1, 0, 80];

#[tokio::test]
async fn rfc1928_a_tunnel_is_asked_for_by_name_or_address_with_and_without_login() {
    let (heard, opened) = plays(Kind::Socks5h, true, named(), &[&[5, 2], &[1, 0], BOUND]).await;
    assert_eq!(opened, Ok(()));
    assert_eq!(heard[0], [5, 2, 0, 2]);
    assert_eq!(heard[1], b"\x01\x04user\x04pass", "rfc1929");
    assert_eq!(heard[2], b"\x05\x01\x00\x03\x10provider.example\x01\xbb");
    let v4 = Target::Address("10.1.2.3:80".parse().unwrap());
    let (heard, opened) = plays(Kind::Socks5, true, v4, &[&[5, 0], &[5, 0, 0, 3, 1, b'x', 0, 80]]).await;
    assert_eq!((heard[1].as_slice(), opened), (&[5, 1, 0, 1, 10, 1, 2, 3, 0, 80][..], Ok(())));
    let v6 = Target::Address("[::1]:80".parse().unwrap());
    let reply = [&[5, 0, 0, 4][..], &[0; 18]].concat();
    let (heard, opened) = plays(Kind::Socks5, false, v6, &[&[5, 0], &reply]).await;
    assert_eq!((heard[0].as_slice(), opened), (&[5, 1, 0][..], Ok(())));
    assert_eq!(heard[1].len(), 22);
}

#[tokio::test]
async fn what_is_no_plain_yes_of_socks_is_no_tunnel() {
    let end = TunnelError::Broken(std::io::ErrorKind::UnexpectedEof);
    for (replies, login, wanted) in [
        (&[&[5, 0xff][..]][..], false, TunnelError::NoLogin),
        (&[&[5, 2]], false, TunnelError::NoLogin),
        (&[&[5, 0xff]], true, TunnelError::Refused("it takes no user name and password")),
        (&[&[5, 1]], true, TunnelError::Refused("it takes no user name and password")),
        (&[&[4, 0]], true, TunnelError::Strange("SOCKS5")),
        (&[b"HTTP/1.1 400 Bad Request\r\n\r\n"], true, TunnelError::Strange("SOCKS5")),
        (&[&[5, 2], &[1, 1]], true, TunnelError::Login),
        (
            &[&[5, 0], &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]],
            false,
            TunnelError::Refused("the provider refuses the connection"),
        ),
        (&[&[5, 0], &[5, 99, 0, 1, 0, 0, 0, 0, 0, 0]], false, TunnelError::Refused("no reason that is known")),
        (&[&[5, 0], &[5, 0, 0, 9]], false, TunnelError::Strange("SOCKS5")),
        (&[&[5, 0], &[5, 0, 0, 1, 0]], false, end),
    ] {
        let (_, opened) = plays(Kind::Socks5h, login, named(), replies).await;
        assert_eq!(opened, Err(wanted), "{replies:?}");
    }
    let long = Target::Name("x".repeat(256), 1);
    assert_eq!(plays(Kind::Socks5h, false, long, &[&[5, 0]]).await.1, Err(TunnelError::Name));
}

#[tokio::test]
async fn a_proxy_that_says_nothing_costs_its_time_and_has_an_error_of_its_own() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hop = listener.local_addr().unwrap();
    let way = way(&format!("socks5h://user:canary@{hop}"), None);
    let peer = way.peer(&base("http://provider.invalid"), hop, None, Duration::from_millis(50));
    let error = Connector::<()>::new(None).get_http_session(&peer).await.err().unwrap();
    assert_eq!(*error.etype(), FAILED);
    let told = format!("{error} {error:?} {peer:?} {way:?}");
    assert!(told.contains("50ms") && !told.contains("canary"), "{told}");
    drop(listener);
    let error = Connector::<()>::new(None).get_http_session(&peer).await.err().unwrap();
    assert_eq!(*error.etype(), FAILED, "also where nobody listens");
}
