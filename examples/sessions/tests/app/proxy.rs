//! A connection to a server that a test can interrupt.

use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Proxy {
    is_open: watch::Sender<bool>,
}

impl Proxy {
    /// Passes connections on to the server of `url`, which is on this machine. Changes `url` to that of the proxy.
    pub(crate) async fn start(url: &mut String) -> Self {
        let server = url.rsplit('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        *url = url.replace(&server, &listener.local_addr().unwrap().to_string());
        let (is_open, open) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (mut open, server) = (open.clone(), server.clone());
                tokio::spawn(async move {
                    if !*open.borrow_and_update() {
                        return;
                    }
                    let mut server = TcpStream::connect(server).await.unwrap();
                    // The connections end with the first of both.
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = open.changed() => {}
                    }
                });
            }
        });
        Self { is_open }
    }

    /// Ends all connections, and each new one at once.
    pub(crate) fn interrupt(&self) {
        self.is_open.send_replace(false);
    }

    /// Accepts connections again, and waits until the store tries to connect again.
    pub(crate) async fn go_on(&self) {
        self.is_open.send_replace(true);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}
