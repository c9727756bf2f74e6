//! The handshake, and how a method is sent and answered.

use lapin::uri::AMQPUri;

use super::frames::{Frame, Frames, METHOD};
use super::value::FieldBytes;
use super::{put_long, put_short};

/// The only channel.
pub(super) const CHANNEL: u16 = 1;

/// The handshake; `frame_max` becomes what both sides agree on.
pub(super) async fn log_in(uri: &AMQPUri, frame_max: &mut u32) -> Frames {
    let authority = &uri.authority;
    let mut frames = Frames::connect(&authority.host, authority.port).await;
    frames.flush().await;
    answer(&mut frames, (10, 10)).await;
    let name = [("connection_name", FieldBytes::text("raw client"))];
    let mut start_ok = FieldBytes::table(name).as_bytes()[1..].to_vec();
    put_short(b"PLAIN", &mut start_ok);
    let user = &authority.userinfo;
    let login = format!("\0{}\0{}", user.username, user.password);
    put_long(login.as_bytes(), &mut start_ok);
    put_short(b"en_US", &mut start_ok);
    frames.put(METHOD, 0, &method((10, 11), &start_ok));
    frames.flush().await;

    let tune = answer(&mut frames, (10, 30)).await;
    let mut tune = tune.fields();
    let (channel_max, offered) = (tune.u16(), tune.u32());
    // An offer of 0 is any size.
    *frame_max = match offered {
        0 => *frame_max,
        offered => offered.min(*frame_max),
    };
    let mut tune_ok = channel_max.to_be_bytes().to_vec();
    tune_ok.extend_from_slice(&frame_max.to_be_bytes());
    tune_ok.extend_from_slice(&[0, 0]);
    frames.put(METHOD, 0, &method((10, 31), &tune_ok));
    let mut vhost = Vec::new();
    put_short(uri.vhost.as_bytes(), &mut vhost);
    vhost.extend_from_slice(&[0, 0]);
    frames.put(METHOD, 0, &method((10, 40), &vhost));
    frames.flush().await;
    answer(&mut frames, (10, 41)).await;
    frames
}

/// Opens the channel, with confirms.
pub(super) async fn with_channel(mut frames: Frames) -> Frames {
    frames.put(METHOD, CHANNEL, &method((20, 10), &[0]));
    frames.put(METHOD, CHANNEL, &method((85, 10), &[0]));
    frames.flush().await;
    answer(&mut frames, (20, 11)).await;
    answer(&mut frames, (85, 11)).await;
    frames
}

/// The answer that every broker gives.
pub(super) async fn answer(frames: &mut Frames, expected: (u16, u16)) -> Frame {
    let frame = frames.read().await;
    let frame = frame.unwrap_or_else(|| panic!("the broker ended the connection"));
    match frame.method() {
        Some(ids) if ids == expected => frame,
        _ => panic!("no {expected:?} but {}", refusal(&frame)),
    }
}

/// The payload of a method frame.
pub(super) fn method((class, method): (u16, u16), fields: &[u8]) -> Vec<u8> {
    let mut payload = class.to_be_bytes().to_vec();
    payload.extend_from_slice(&method.to_be_bytes());
    payload.extend_from_slice(fields);
    payload
}

/// A frame that was not expected: a close is told in the broker's words.
pub(super) fn refusal(frame: &Frame) -> String {
    let mut fields = frame.fields();
    match frame.method() {
        Some((10 | 20, 40 | 50)) => format!("{} {}", fields.u16(), fields.short()),
        method => format!(
            "a frame of kind {} on channel {} ({method:?})",
            frame.kind, frame.channel
        ),
    }
}
