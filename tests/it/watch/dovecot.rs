//! A mailbox in Dovecot, which plays Exchange Online, and what happens in it.

use super::world::{ANN, CARL, mail, reply, worlds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_and_what_the_user_writes_in_outlook_join_the_thread_once_each() {
    for mut world in worlds().await {
        world.watch().await;
        world.mailbox.deliver("carl@customer.example", &reply("r1@c", CARL, ANN, "first@acme"));
        world.until_messages(2).await;
        world.mailbox.append("Sent Items", &reply("o1@acme", ANN, CARL, "r1@c"));
        world.until_messages(3).await;
        world.mailbox.deliver("carl@customer.example", &reply("r2@c", CARL, ANN, "o1@acme"));
        world.mailbox.deliver("zoe@z.example", &mail("private@z", "zoe@z.example", ANN, ""));
        world.until_verdicts(5).await;
        assert_eq!(world.messages().await, 4);
        assert_eq!(world.fresh.count("threads").await, 1);
        let directions = "select direction from messages where state <> 'held' order by id";
        let directions = world.fresh.sql(directions).await.concat();
        assert_eq!(directions, ["outbound", "inbound", "outbound", "inbound"]);
        world.stop().await;
    }
}
