use lapin::{ConnectionState, ErrorKind};
use tokio::sync::watch::Sender;

use super::*;

/// lapin's answer to a call that is made while it takes the connection down.
fn echo() -> LinkError {
    let state = ErrorKind::InvalidConnectionState(ConnectionState::Error);
    LinkError::of(&state.into()).while_doing("opening a channel")
}

#[tokio::test]
async fn a_call_over_a_link_that_goes_down_is_told_why_the_link_is_gone() {
    let ended = Sender::new(None);
    let loss = Loss(ended.subscribe());
    let call = async {
        // lapin notices it before the task that reads the link.
        let ended = ended.clone();
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            let why = LinkError::of_close(320, "CONNECTION_FORCED - node is going down".to_owned());
            ended.send_replace(Some(why));
        });
        Err::<(), _>(echo())
    };
    let text = loss.or(call).await.unwrap_err().to_string();
    assert!(
        text.starts_with("the link was lost meanwhile: CONNECTION_FORCED"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_link_whose_end_nobody_explains_is_told_to_be_gone() {
    let ended = Sender::new(None);
    let call = async { Err::<(), _>(echo()) };
    let text = Loss(ended.subscribe())
        .or(call)
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(text, "opening a channel: the connection is gone");
}

#[tokio::test]
async fn other_errors_of_a_call_are_told_as_they_are() {
    let ended = Sender::new(None);
    let call = async { Err::<(), _>(LinkError::of_close(404, "NOT_FOUND".to_owned())) };
    let text = Loss(ended.subscribe())
        .or(call)
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(text, "NOT_FOUND");
}
