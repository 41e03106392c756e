//! The bound on what is read and not yet committed (I6).
//!
//! Charged at the poll, refunded when the frontier passes or the partition is given back. While it is spent, no record is
//! taken; the client's own prefetch then stops by itself.

/// Limits of one consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Records.
    pub records: usize,
    /// Bytes of keys, values and headers.
    pub bytes: usize,
}

/// See the module's page.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    records: usize,
    bytes: usize,
}

impl Budget {
    /// Nothing charged.
    pub fn new(limits: Limits) -> Self {
        Self { limits, records: 0, bytes: 0 }
    }

    /// True while another record may be taken. One record larger than the whole limit still passes when nothing else is
    /// charged: a limit must never stop the line for good.
    pub fn has_room(&self) -> bool {
        self.records < self.limits.records && self.bytes < self.limits.bytes
    }

    /// Charges one record.
    pub fn charge(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes;
    }

    /// Refunds what the frontier passed, or what was open on a partition given back.
    pub fn refund(&mut self, records: usize, bytes: usize) {
        self.records = self.records.saturating_sub(records);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Records and bytes that are charged.
    #[cfg(test)]
    pub(crate) fn charged(&self) -> (usize, usize) {
        (self.records, self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_bytes_are_bounded_each() {
        let mut budget = Budget::new(Limits { records: 2, bytes: 100 });
        budget.charge(10);
        assert!(budget.has_room());
        budget.charge(10);
        assert!(!budget.has_room(), "two records are all");
        budget.refund(1, 10);
        budget.charge(90);
        assert!(!budget.has_room(), "100 bytes are all");
        budget.refund(2, 100);
        assert!(budget.has_room());
        assert_eq!((budget.records, budget.bytes), (0, 0));
    }

    #[test]
    fn a_record_larger_than_the_limit_does_not_stop_the_line() {
        let mut budget = Budget::new(Limits { records: 10, bytes: 100 });
        assert!(budget.has_room());
        budget.charge(5_000);
        assert!(!budget.has_room());
        budget.refund(1, 5_000);
        assert!(budget.has_room());
    }
}
