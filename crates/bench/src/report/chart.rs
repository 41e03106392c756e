//! Plots as SVG, 800 pixels wide, on a white ground of their own, so that they can be read on a light and on a dark page.

use std::io;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::failure::BenchError;

const WIDTH: u32 = 800;
const FONT: &str = "sans-serif";
/// Of names, and of titles; the library takes a fifth off for a file of SVG.
const SMALL: u32 = 16;
const LARGE: u32 = 21;
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);
/// Told apart also by most people who see few colours; further series begin anew.
const COLOURS: [RGBColor; 10] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(120, 94, 40),
    RGBColor(110, 110, 110),
    RGBColor(160, 30, 60),
    RGBColor(90, 60, 160),
];
/// Half the thickness of a bar; two bars are 1 apart.
const HALF: f64 = 0.32;
/// Where the names of the series begin.
const LEGEND_AT: u32 = 620;
/// Where those of the parts of a bar do.
const PARTS_AT: u32 = 690;

type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// One bar.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    /// Whose.
    pub(crate) name: String,
    /// One figure for each part, end to end.
    pub(crate) parts: Vec<f64>,
    /// The smallest and the largest of what the bar is the median of.
    pub(crate) ends: Option<(f64, f64)>,
    /// Behind it.
    pub(crate) label: String,
}

/// Bars below each other.
#[derive(Debug, Clone)]
pub(crate) struct Bars<'a> {
    pub(crate) title: &'a str,
    /// What the axis counts, with its unit.
    pub(crate) unit: &'a str,
    /// Names of the parts; one part needs none.
    pub(crate) parts: &'a [&'a str],
    pub(crate) bars: Vec<Bar>,
}

/// Lines over a common axis.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'a> {
    pub(crate) title: &'a str,
    /// What the lower axis counts, with its unit.
    pub(crate) x: &'a str,
    /// What the left axis counts, with its unit.
    pub(crate) y: &'a str,
    /// Words for 0, 1, 2, ... on the lower axis, where it does not count.
    pub(crate) names: &'a [&'a str],
    /// Whether the left axis is logarithmic.
    pub(crate) is_logarithmic: bool,
    pub(crate) series: Vec<(String, Vec<(f64, f64)>)>,
}

impl Bars<'_> {
    /// The picture.
    pub(crate) fn svg(&self) -> Result<String, BenchError> {
        let height = 110 + 34 * u32::try_from(self.bars.len()).unwrap_or(u32::MAX).min(100);
        picture(height, |root| self.draw(root))
    }

    fn draw(&self, root: &Area<'_>) -> Drawn {
        let end = |bar: &Bar| bar.ends.map_or(0.0, |(_, most)| most).max(bar.parts.iter().sum());
        let most =
            self.bars.iter().map(end).fold(f64::MIN_POSITIVE, f64::max) * if self.parts.is_empty() { 1.2 } else { 1.4 };
        let count = self.bars.len().max(1);
        // The first bar is the uppermost one.
        let height = |place: usize| (count - 1 - place.min(count - 1)) as f64;
        let name = |y: &f64| {
            let bar = self.bars.iter().enumerate().find(|(place, _)| (height(*place) - y).abs() < 1e-6);
            bar.map(|(_, bar)| bar.name.clone()).unwrap_or_default()
        };
        let (left, right) = root.split_horizontally(if self.parts.is_empty() { WIDTH } else { PARTS_AT });
        legend(&right, self.parts)?;
        let mut chart = ChartBuilder::on(&left)
            .caption(self.title, (FONT, LARGE).into_font().color(&INK))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(170)
            .build_cartesian_2d(0.0..most, -0.5..count as f64 - 0.5)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .x_desc(self.unit)
            .x_labels(7)
            .x_label_formatter(&|x| figure(*x))
            .y_labels(4 * count)
            .y_label_formatter(&name)
            .set_tick_mark_size(LabelAreaPosition::Left, 0)
            .label_style((FONT, SMALL).into_font().color(&INK))
            .axis_desc_style((FONT, SMALL).into_font().color(&INK))
            .draw()?;
        for (part, colour) in (0..).zip(COLOURS).take(self.bars.iter().map(|bar| bar.parts.len()).max().unwrap_or(0)) {
            let rectangles = self.bars.iter().enumerate().filter_map(|(place, bar)| {
                let from: f64 = bar.parts.iter().take(part).sum();
                let to = from + bar.parts.get(part)?;
                Some(Rectangle::new([(from, height(place) - HALF), (to, height(place) + HALF)], colour.filled()))
            });
            chart.draw_series(rectangles)?;
        }
        for (place, bar) in self.bars.iter().enumerate() {
            let y = height(place);
            if let Some((least, most)) = bar.ends {
                let whisker = [
                    ((least, y), (most, y)),
                    ((least, y - 0.15), (least, y + 0.15)),
                    ((most, y - 0.15), (most, y + 0.15)),
                ];
                chart.draw_series(whisker.map(|(from, to)| PathElement::new(vec![from, to], INK)))?;
            }
            let label = Text::new(bar.label.clone(), (7, -6), (FONT, SMALL).into_font().color(&INK));
            chart.draw_series([EmptyElement::at((end(bar), y)) + label])?;
        }
        Ok(())
    }
}

impl Lines<'_> {
    /// The picture.
    pub(crate) fn svg(&self) -> Result<String, BenchError> {
        picture(420, |root| self.draw(root))
    }

    fn draw(&self, root: &Area<'_>) -> Drawn {
        let (left, right) = root.split_horizontally(LEGEND_AT);
        legend(&right, self.series.iter().map(|(name, _)| name))?;
        let points = || self.series.iter().flat_map(|(_, points)| points.iter().copied());
        let (x_most, y_most) =
            points().fold((f64::MIN_POSITIVE, f64::MIN_POSITIVE), |most, (x, y)| (most.0.max(x), most.1.max(y)));
        let x = if self.names.is_empty() { 0.0..x_most } else { -0.2..self.names.len() as f64 - 0.8 };
        let mut builder = ChartBuilder::on(&left);
        builder
            .caption(self.title, (FONT, LARGE).into_font().color(&INK))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(84);
        if self.is_logarithmic {
            let least = points().map(|(_, y)| y).filter(|y| *y > 0.0).fold(y_most, f64::min);
            let decades = 10_f64.powf(least.log10().floor())..10_f64.powf((y_most * 1.01).log10().ceil());
            self.plot(&mut builder.build_cartesian_2d(x, decades.log_scale())?)
        } else {
            self.plot(&mut builder.build_cartesian_2d(x, 0.0..y_most * 1.05)?)
        }
    }

    fn plot<'a, Y>(&self, chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, Y>>) -> Drawn
    where
        Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let word = |x: &f64| {
            let name = self.names.iter().zip(0..).find(|(_, place)| (f64::from(*place) - x).abs() < 1e-6);
            name.map(|(name, _)| (*name).to_owned()).unwrap_or_default()
        };
        let x = |x: &f64| if self.names.is_empty() { figure(*x) } else { word(x) };
        let mut mesh = chart.configure_mesh();
        if !self.names.is_empty() {
            mesh.disable_x_mesh().x_labels(4 * self.names.len()).set_tick_mark_size(LabelAreaPosition::Bottom, 0);
        }
        mesh.light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(INK)
            .x_desc(self.x)
            .y_desc(self.y)
            .x_label_formatter(&x)
            .y_label_formatter(&|y| figure(*y))
            .label_style((FONT, SMALL).into_font().color(&INK))
            .axis_desc_style((FONT, SMALL).into_font().color(&INK))
            .draw()?;
        for ((_, points), colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
            if !self.names.is_empty() {
                chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
            }
        }
        Ok(())
    }
}

fn picture(height: u32, draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, BenchError> {
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
    let drawn = root.fill(&WHITE).and_then(|()| draw(&root)).and_then(|()| root.present());
    drop(root);
    drawn.map_err(|error| BenchError::Plot(error.to_string()))?;
    Ok(svg)
}

/// Names with their colours, below each other.
fn legend(area: &Area<'_>, names: impl IntoIterator<Item = impl AsRef<str>>) -> Drawn {
    for (name, (place, colour)) in names.into_iter().zip((0..).zip(COLOURS.iter().cycle())) {
        let y = 52 + 20 * place;
        area.draw(&Rectangle::new([(6, y), (18, y + 10)], colour.filled()))?;
        area.draw(&Text::new(name.as_ref().to_owned(), (24, y - 2), (FONT, SMALL).into_font().color(&INK)))?;
    }
    Ok(())
}

/// As an axis says it.
fn figure(value: f64) -> String {
    let text = if value.abs() >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.3}") };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    if value.abs() < 10_000.0 {
        return text;
    }
    let digits = text.chars().count();
    let spaced = text.chars().enumerate().flat_map(|(place, digit)| {
        let space = (place > 0 && (digits - place).is_multiple_of(3)).then_some(' ');
        space.into_iter().chain([digit])
    });
    spaced.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(name: &str, parts: &[f64]) -> Bars<'static> {
        let bar = |name: &str| Bar {
            name: name.to_owned(),
            parts: parts.to_vec(),
            ends: Some((1.0, 30.0)),
            label: "a & b".to_owned(),
        };
        Bars {
            title: "T",
            unit: "us",
            parts: &["one", "two"],
            bars: (0..12).map(|n| bar(&format!("{name}{n}"))).collect(),
        }
    }

    #[test]
    fn every_bar_has_its_name_and_markup_in_one_is_text() {
        let svg = bars("<x>", &[10.0, 5.0]).svg().unwrap();
        for place in 0..12 {
            assert!(svg.contains(&format!("&lt;x&gt;{place}\n")), "{place} in {svg}");
        }
        assert!(svg.contains("a &amp; b") && !svg.contains("<x>"));
        assert!(svg.contains("width=\"800\"") && svg.contains("fill=\"#FFFFFF\""));
    }

    #[test]
    fn the_same_figures_give_the_same_bytes_and_others_do_not() {
        let lines = |last: f64, is_logarithmic| Lines {
            title: "T",
            x: "share",
            y: "ms",
            names: &["p50", "p90", "p99"],
            is_logarithmic,
            series: vec![("a".to_owned(), vec![(0.0, 0.4), (1.0, 20.0), (2.0, last)])],
        };
        assert_eq!(lines(300.0, true).svg().unwrap(), lines(300.0, true).svg().unwrap());
        assert_ne!(lines(300.0, true).svg().unwrap(), lines(900.0, true).svg().unwrap());
        let svg = lines(300.0, true).svg().unwrap();
        for word in ["p50", "p90", "p99", "10", "1000"] {
            assert!(svg.contains(&format!("{word}\n")), "{word} in {svg}");
        }
        assert!(!lines(300.0, false).svg().unwrap().is_empty());
    }

    #[test]
    fn a_plot_of_nothing_is_an_empty_one() {
        assert!(Bars { bars: Vec::new(), ..bars("", &[]) }.svg().unwrap().contains("</svg>"));
    }

    #[test]
    fn an_axis_counts_in_thousands() {
        assert_eq!([0.25, 10.0, 2_500.0, 4_500_000.0].map(figure), ["0.25", "10", "2500", "4 500 000"]);
    }
}
