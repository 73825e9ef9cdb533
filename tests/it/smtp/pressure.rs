//! Clients that are slow, many, large or never go, and the end of the gateway.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::listener::{ACCEPTED, Client, Running};

const LOOPBACK: std::net::Ipv4Addr = std::net::Ipv4Addr::LOCALHOST;

/// Bytes that trickle buy no time; who is honest gets in meanwhile.
#[tokio::test]
async fn serves_the_honest_among_the_slow() {
    let running = Running::limited(|limits| {
        limits.command_seconds = 5;
        limits.data_grace_seconds = 5;
    })
    .await;
    let mut slow = JoinSet::new();
    for n in 0..300 {
        let mut client = running.connect([127, 0, 1, n as u8].into()).await;
        slow.spawn(async move {
            if n % 2 == 0 {
                client.reply().await;
                client.begin_data().await;
            }
            trickle(client).await;
        });
    }
    assert_eq!(running.client().await.mail("honest").await, ACCEPTED);
    assert!(slow.join_all().await.len() == 300, "every slow one was closed");
    assert_eq!(running.count(), 1);
}

/// Sends a byte now and then until the connection ends.
async fn trickle(client: Client<tokio::net::TcpStream>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let (mut read, mut write) = client.stream.into_split();
    let trickling = async {
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let mut said = Vec::new();
    tokio::select! {
        () = trickling => {}
        _ = read.read_to_end(&mut said) => {}
    }
}

/// When places run out, those who keep them without using them go first.
#[tokio::test]
async fn is_less_patient_while_places_run_out() {
    let running = Running::limited(|limits| {
        limits.connections = 8;
        limits.overload_seconds = 1;
    })
    .await;
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.push(running.client().await);
    }
    for client in &mut idle {
        assert!(client.reply().await.starts_with("421 4.4.2"));
    }
    assert_eq!(running.patient_client().await.mail("honest").await, ACCEPTED);
}

#[tokio::test]
async fn asks_for_a_least_rate_of_content() {
    let running = Running::limited(|limits| limits.data_grace_seconds = 3).await;
    let mut client = running.client().await;
    client.begin_data().await;
    trickle(client).await;
    assert_eq!(running.client().await.mail("honest").await, ACCEPTED);
}

#[tokio::test]
async fn ends_a_session_without_mail() {
    let running = Running::limited(|limits| limits.session_seconds = 1).await;
    let mut client = running.client().await;
    let mut reply = String::new();
    for _ in 0..30 {
        client.send("VRFY x\r\n").await;
        reply = client.reply().await;
        if reply.starts_with("421") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(reply.starts_with("421 4.4.2"), "{reply}");
}

/// One address, then many.
#[tokio::test]
async fn caps_connections_by_address_and_in_all() {
    let running = Running::limited(|limits| {
        limits.connections_per_ip = 5;
        limits.connections = 20;
    })
    .await;
    let mut inside = Vec::new();
    for n in 0..2000 {
        let mut client = running.connect(LOOPBACK).await;
        let reply = client.reply().await;
        if n < 5 {
            assert!(reply.starts_with("220"));
            inside.push(client);
        } else {
            assert!(reply.starts_with("421 4.7.0"), "{reply}");
            assert_eq!(client.reply().await, "");
        }
    }
    for n in 0..200u8 {
        let mut client = running.connect([127, 0, 2, n].into()).await;
        let reply = client.reply().await;
        assert!(reply.starts_with(if inside.len() < 20 { "220" } else { "421" }), "{n}: {reply}");
        if inside.len() < 20 {
            inside.push(client);
        }
    }
    inside.clear();
    assert_eq!(running.patient_client().await.mail("x").await, ACCEPTED);
}

#[tokio::test]
async fn lets_go_of_who_never_reads_its_replies() {
    use tokio::io::AsyncWriteExt as _;

    let running = Running::limited(|limits| {
        limits.connections = 1;
        limits.write_seconds = 1;
    })
    .await;
    let mut deaf = running.client().await;
    deaf.begin().await;
    let command = "RCPT TO:<user1@bcc.example>\r\n".repeat(10_000);
    while deaf.stream.write_all(command.as_bytes()).await.is_ok() {}
    assert_eq!(running.patient_client().await.mail("x").await, ACCEPTED);
}

#[tokio::test]
async fn lets_large_mails_share_the_memory_by_turns() {
    let running = Running::limited(|limits| limits.memory_bytes = 4_000_000).await;
    let mut senders = JoinSet::new();
    for n in 0..20 {
        let mut client = running.client().await;
        senders.spawn(async move {
            let size = if n % 2 == 0 { " SIZE=1000000" } else { "" };
            client
                .send(format!("EHLO c\r\nMAIL FROM:<>{size}\r\nRCPT TO:<user1@bcc.example>\r\n"))
                .await;
            for _ in 0..3 {
                client.reply().await;
            }
            client.say("DATA").await;
            client.send(b"0123456789abcd\r\n".repeat(62_499)).await;
            client.say(".").await
        });
    }
    for reply in senders.join_all().await {
        assert_eq!(reply, ACCEPTED);
    }
    let mails = running.receiver.mails.lock().unwrap();
    assert!(mails.iter().all(|mail| mail.content.len() == 62_499 * 16));
}

/// Whoever sends a large mail slowly keeps no other large mail from coming in.
#[tokio::test]
async fn slow_large_mails_are_in_nobodys_way() {
    let running = Running::limited(|limits| {
        limits.memory_bytes = 1_000_000;
        limits.memory_wait_seconds = 1;
    })
    .await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut client = running.client().await;
        client.begin_data().await;
        client.send(vec![b'x'; 900_000]).await;
        slow.push(client);
    }
    let mut other = running.client().await;
    for _ in 0..3 {
        assert_eq!(other.mail(vec![b'x'; 900_000]).await, ACCEPTED);
    }
    for mut client in slow {
        assert_eq!(client.say("\r\n.").await, ACCEPTED);
    }
}

#[tokio::test]
async fn sends_large_mails_away_when_memory_does_not_come() {
    let running = Running::limited(|limits| {
        limits.memory_bytes = 1_000_000;
        limits.memory_wait_seconds = 1;
    })
    .await;
    running.receiver.delay_ms.store(3_000, Ordering::Relaxed);
    let mut holder = running.client().await;
    holder.begin_data().await;
    holder.send([&vec![b'x'; 900_000][..], b"\r\n.\r\n"].concat()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut other = running.client().await;
    let reply = other.mail(vec![b'x'; 200_000]).await;
    assert!(reply.starts_with("452 4.3.1"), "{reply}");
    other.is_in_step().await;
    running.receiver.delay_ms.store(0, Ordering::Relaxed);
    assert_eq!(other.mail("small").await, ACCEPTED, "small mails need no permission");
    assert_eq!(holder.reply().await, ACCEPTED);
}

/// What was set aside of a mail that was given up is no part of the next one.
#[tokio::test]
async fn a_large_mail_that_is_given_up_leaves_nothing() {
    let running = Running::limited(|_| {}).await;
    let mut client = running.client().await;
    let begin = "MAIL FROM:<>\r\nRCPT TO:<user1@bcc.example>\r\n";
    let chunk = |letter: u8, last: &str| {
        [format!("BDAT 300000{last}\r\n").as_bytes(), &[letter; 300_000]].concat()
    };
    client.say("EHLO c").await;
    let all =
        [begin.as_bytes(), &chunk(b'a', ""), b"RSET\r\n", begin.as_bytes(), &chunk(b'b', " LAST")];
    client.send(all.concat()).await;
    let mut replies = Vec::new();
    for _ in 0..7 {
        replies.push(client.reply().await);
    }
    assert_eq!(replies.last().unwrap(), ACCEPTED, "{replies:?}");
    assert_eq!(running.only().content, [b'b'; 300_000]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serves_200_sessions_at_once() {
    let running = Running::start(|_| {}).await;
    let mut sessions = JoinSet::new();
    for _ in 0..200 {
        let mut client = running.client().await;
        sessions.spawn(async move {
            for _ in 0..5 {
                assert_eq!(client.mail(b"0123456789abcd\r\n".repeat(640)).await, ACCEPTED);
            }
            assert!(client.say("QUIT").await.starts_with("221"));
        });
    }
    assert_eq!(sessions.join_all().await.len(), 200);
    assert_eq!(running.count(), 1000);
}

/// G-10: the idle are told, mail under way is taken.
#[tokio::test]
async fn ends_with_a_word_to_everybody() {
    let mut running = Running::start(|_| {}).await;
    let mut idle = running.client().await;
    let mut sending = running.client().await;
    sending.begin_data().await;
    sending.send("half").await;
    running.stop.cancel();
    assert_eq!(idle.reply().await, "421 4.3.2 Stopping; try again");
    sending.send(" and half\r\n.\r\n").await;
    assert_eq!(sending.reply().await, ACCEPTED);
    assert_eq!(sending.reply().await, "421 4.3.2 Stopping; try again");
    running.end().await;
    assert_eq!(running.only().content, b"half and half\r\n");
    assert!(tokio::net::TcpStream::connect(running.address).await.is_err(), "accepts nobody");
}

/// G-10: nobody holds up the end.
#[tokio::test]
async fn ends_in_time_whatever_clients_and_store_do() {
    let mut running = Running::limited(|limits| limits.stop_seconds = 1).await;
    running.receiver.delay_ms.store(120_000, Ordering::Relaxed);
    let mut sending = running.client().await;
    sending.begin_data().await;
    let mut waiting = running.client().await;
    waiting.begin_data().await;
    waiting.send("x\r\n.\r\n").await;
    let began = Instant::now();
    running.end().await;
    assert!(began.elapsed() < Duration::from_secs(30));
    assert!(sending.reply().await.starts_with("421"));
}
