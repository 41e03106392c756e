//! Is there a way to the API the producer is to ask?

use std::error::Error;
use std::time::Duration;

use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(6);

/// Asks the API for one user; the reason in words when it gives none.
pub(crate) async fn probe(address: &str) -> Result<(), String> {
    let answer = async {
        let client = reqwest::Client::builder().timeout(LIMIT).build()?;
        let answer = client.get(address).query(&[("results", "1"), ("inc", "login")]).send().await?;
        let status = answer.status();
        Ok::<_, reqwest::Error>((status, answer.text().await?))
    };
    let (status, body) = answer.await.map_err(|error| innermost(&error))?;
    if !status.is_success() {
        return Err(format!("it answers {status}"));
    }
    let users = serde_json::from_str::<Value>(&body)
        .ok()
        .and_then(|body| Some(body.get("results")?.as_array()?.len()))
        .ok_or("it does not answer with users")?;
    if users == 0 { Err("it answers without users".to_owned()) } else { Ok(()) }
}

/// The cause that says most: the client's outer words are the same for every failure.
fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener};

    fn api(answer: &'static str) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = format!("http://{}/api/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[tokio::test]
    async fn an_api_with_a_user_is_taken() {
        let body = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\nConnection: close\r\n\r\n{\"results\":[{}]}";
        assert_eq!(probe(&api(body)).await, Ok(()));
    }

    #[tokio::test]
    async fn an_api_without_users_or_without_an_answer_is_not() {
        let empty = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{\"results\":[]}";
        assert_eq!(probe(&api(empty)).await, Err("it answers without users".to_owned()));
        let forbidden = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        assert_eq!(probe(&api(forbidden)).await, Err("it answers 403 Forbidden".to_owned()));
        let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let refused = probe(&format!("http://{nobody}/api/")).await.unwrap_err();
        assert!(refused.contains("refused"), "{refused}");
    }
}
