//! The bound on what is read and not yet committed (I6).
//!
//! Charged at the poll, refunded when the frontier passes or the partition is given back. Once it is spent, no record is taken
//! until an eighth of it is back, so that the thread that polls is not woken for each record; the client's own prefetch then
//! stops by itself.

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
    spent: bool,
}

impl Budget {
    /// Nothing charged.
    pub fn new(limits: Limits) -> Self {
        Self { limits, records: 0, bytes: 0, spent: false }
    }

    /// True while another record may be taken. One record larger than the whole limit still passes when nothing else is
    /// charged: a limit must never stop the line for good.
    pub fn has_room(&self) -> bool {
        !self.spent
    }

    /// Records that are worth waking up for while it is spent.
    pub fn worth_waking(&self) -> usize {
        self.records / 16
    }

    /// Charges one record.
    pub fn charge(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes;
        self.spent |= self.records >= self.limits.records || self.bytes >= self.limits.bytes;
    }

    /// Refunds what the frontier passed, or what was open on a partition given back.
    pub fn refund(&mut self, records: usize, bytes: usize) {
        self.records = self.records.saturating_sub(records);
        self.bytes = self.bytes.saturating_sub(bytes);
        let is_back = |charged: usize, limit: usize| charged < limit - limit / 8;
        if is_back(self.records, self.limits.records) && is_back(self.bytes, self.limits.bytes) {
            self.spent = false;
        }
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
    fn once_spent_an_eighth_has_to_come_back() {
        let mut budget = Budget::new(Limits { records: 16, bytes: 1_000 });
        (0..16).for_each(|_| budget.charge(1));
        budget.refund(2, 2);
        assert!(!budget.has_room(), "14 of 16");
        budget.refund(1, 1);
        assert!(budget.has_room(), "13 of 16");
        (0..2).for_each(|_| budget.charge(1));
        assert!(budget.has_room(), "up to the limit again");
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
