//! A thread lives as long as a message is in it, and is found through its messages.

use super::*;

/// The mail as skipped for a file, or filed, in a thread of its own.
fn judged(sample: &Sample, facts: &Facts, state: State, reason: Reason) -> Filing {
    let mut filing = sample.judge(facts).remove(0);
    filing.decision.verdict.reason = reason;
    for change in &mut filing.decision.changes {
        if let Change::AddMessage(message) = change {
            message.state = state;
        }
    }
    filing
}

/// The same decision for a verdict and a message that exist.
fn for_stored(mut filing: Filing, verdict: VerdictId, stored: StoredMessageId) -> Filing {
    filing.decision.verdict.id = verdict;
    filing.decision.verdict.stored_message_id = Some(stored);
    for change in &mut filing.decision.changes {
        match change {
            Change::AddMessage(message) => message.id = stored,
            Change::AddAlias { message, .. } => *message = stored,
            _ => {}
        }
    }
    let (actor, before_json) = ("user Ann".to_owned(), "{}".to_owned());
    filing.again = Some(Again { action: "release", actor, before_json });
    filing
}

#[tokio::test]
async fn mail_that_is_judged_into_another_thread_leaves_no_empty_one() {
    for fresh in both().await {
        let sample = sample("bob@example.com", "large@x");
        // Nothing is asked about its ids, so that it is in no known thread.
        let question = Question { keys: BTreeSet::new(), ..sample.question() };
        let asked = [(ACCOUNT, question)];
        let skip =
            |facts| vec![judged(&sample, &facts, State::Skipped, Reason::AttachmentTooLarge)];
        let skipped = fresh.store.file(&asked, skip).await.unwrap().remove(0).decision.verdict;
        let (verdict, stored) = (skipped.id, skipped.stored_message_id.unwrap());
        let release = |facts| {
            let filing = judged(&sample, &facts, State::Filed, Reason::Released);
            vec![for_stored(filing, verdict, stored)]
        };
        fresh.store.file(&asked, release).await.unwrap();
        let message = fresh.store.message(ACCOUNT, stored).await.unwrap().unwrap();
        let conversation = message.conversation_id.unwrap();
        let threads = fresh.store.threads(ACCOUNT, conversation).await.unwrap();
        let ids: Vec<_> = threads.iter().map(|thread| Some(thread.id)).collect();
        assert_eq!(ids, [message.thread_id]);
        assert_eq!(fresh.count("threads").await, 1);
        assert!(fresh.store.erase_conversation(ACCOUNT, conversation).await.unwrap());
        assert_eq!(fresh.count("threads").await, 0);
    }
}
