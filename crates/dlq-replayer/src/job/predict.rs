//! What a job would come to: each letter as the job would deal with it, and as the processor would then. Changes nothing.

use chrono::Utc;

use crate::job::judge::Passenger;
use crate::job::{JobError, Prepared, chosen};
use crate::mend::{PREVIEWED, Preview};
use crate::preflight::{Forecast, Prediction, Row};
use crate::redrive::Refusal;
use crate::stored::{ASKED, Unanswered};

impl Prepared<'_> {
    /// What a replay would come to.
    ///
    /// # Errors
    /// See [`JobError`].
    pub async fn predict(&self) -> Result<Prediction, JobError> {
        let judge = self.judge("preflight");
        let chosen = chosen(&self.book, &self.plan, self.now)?;
        let mut forecast = Forecast::new(chosen.len());
        let (mut seen, mut rows) = (0, Vec::with_capacity(ASKED));
        let mut letters = judge.letters(&self.mailroom, &chosen);
        while let Some(item) = letters.recv().await {
            let (place, letter) = item?;
            let Some(choice) = chosen.get(place) else { continue };
            seen += 1;
            if forecast.previewed() < PREVIEWED
                && let Some(preview) = judge.preview(&letter)
            {
                forecast.previews(preview);
            }
            match judge.passenger(letter, choice, true, Utc::now()) {
                Ok(Passenger { row: Some(Ok(row)), .. }) => rows.push(row),
                Ok(Passenger { row: Some(Err(fault)), .. }) => forecast.fails(&fault),
                Ok(passenger) if passenger.is_replayed() => forecast.is_not_followed(),
                Ok(_) => forecast.parks(),
                Err(refusal) => forecast.refuses(&refusal, 1),
            }
            if rows.len() == ASKED {
                self.ask(&mut rows, &mut forecast).await?;
            }
        }
        self.ask(&mut rows, &mut forecast).await?;
        if seen < chosen.len() {
            forecast.refuses(&Refusal::Gone, chosen.len() - seen);
        }
        Ok(forecast.prediction(self.stored.is_some() || chosen.is_empty()))
    }

    async fn ask(&self, rows: &mut Vec<Row>, forecast: &mut Forecast) -> Result<(), Unanswered> {
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        let times = match &self.stored {
            Some(stored) => stored.written_at(&ids).await?,
            None => vec![None; ids.len()],
        };
        for (row, written_at) in rows.drain(..).zip(times) {
            forecast.passes(row, written_at);
        }
        Ok(())
    }

    /// What mending changes in the first few letters.
    ///
    /// # Errors
    /// See [`JobError`].
    pub async fn previews(&self) -> Result<Vec<Preview>, JobError> {
        let mut previews = Vec::new();
        if self.plan.mend.is_none() {
            return Ok(previews);
        }
        let judge = self.judge("preview");
        let mut chosen = chosen(&self.book, &self.plan, self.now)?;
        chosen.truncate(PREVIEWED);
        let mut letters = judge.letters(&self.mailroom, &chosen);
        while let Some(item) = letters.recv().await {
            previews.extend(judge.preview(&item?.1));
        }
        Ok(previews)
    }
}
