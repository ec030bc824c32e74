//! The protocol of Redis.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::Shared;
use super::listen::{Conn, Listener};

/// Serves RESP until the server stops.
pub async fn serve(listener: Listener, shared: Arc<Shared>) {
    let context = Arc::clone(&shared);
    let handle = move |conn: Conn| {
        let shared = Arc::clone(&context);
        async move {
            tokio::select! {
                _ = answer(conn) => {}
                () = shared.stop.cancelled() => {}
            }
        }
    };
    listener.serve(shared, handle).await;
}

/// Answers inline PINGs.
async fn answer(conn: Conn) -> std::io::Result<()> {
    let mut conn = BufReader::with_capacity(4 << 10, conn);
    let mut line = Vec::new();
    while conn.read_until(b'\n', &mut line).await? > 0 {
        if !line.trim_ascii().eq_ignore_ascii_case(b"PING") {
            conn.write_all(b"-ERR unknown command\r\n").await?;
            return Ok(());
        }
        conn.write_all(b"+PONG\r\n").await?;
        line.clear();
    }
    Ok(())
}
