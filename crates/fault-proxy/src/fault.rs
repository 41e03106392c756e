//! What a proxy can do to a connection.

/// What happens to connections while it is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// Everything passes.
    None,
    /// Connections that are open and those that come are cut (RST): a port where nobody serves.
    Refuse,
    /// Connections that are open at this moment are cut (RST) once; later ones pass. Setting it again cuts again.
    Reset,
    /// Connections are accepted and nothing passes either way. What was sent meanwhile passes when it is healed: within a
    /// connection no byte is lost.
    Stall,
    /// Every connection passes at most so many bytes a second each way (0 counts as 1).
    Slow {
        /// Bytes a second, per connection and direction.
        bytes_per_second: u32,
    },
    /// Requests pass, answers do not. They are gone, so a connection that lost one is cut (RST) when it is healed, as a
    /// network does that has forgotten the connection; one that lost none goes on.
    HalfOpen,
    /// CQL only, [`Fault::None`] elsewhere: EXECUTE and BATCH are answered with an error; everything else passes.
    Answer {
        /// What the client is told.
        error: CqlError,
        /// Which part of the requests gets it, 0.0 to 1.0.
        share: f64,
    },
}

/// An error that a coordinator answers although the request was sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CqlError {
    /// 0x1001: the request is not forwarded.
    Overloaded,
    /// 0x1000, of one required replica none alive: the request is not forwarded.
    Unavailable,
    /// 0x1100, of one required acknowledgement none received.
    WriteTimeout {
        /// True: the request is forwarded, and where the server reports success the client is told of a time-out, although
        /// the write has happened. False: it is not forwarded.
        applied: bool,
    },
}
