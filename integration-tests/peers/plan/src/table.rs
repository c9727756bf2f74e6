//! What was measured, as tables in Markdown.

use crate::axis::Axis;
use crate::case::Case;
use crate::contender::Contender;
use crate::quantity::Quantity;
use crate::results::{Cell, Results, median};

/// The table of an axis: medians, and how far the first quantity strayed.
pub fn of_axis(axis: Axis, cases: &[Case], results: &Results) -> String {
    let (first, others) = axis
        .quantities()
        .split_first()
        .expect("every axis has something to look at");
    let mut heads = vec![axis.varied().to_owned(), "contender".to_owned()];
    heads.extend([first.head().to_owned(), "min".to_owned(), "max".to_owned()]);
    heads.extend(others.iter().map(|quantity| quantity.head().to_owned()));
    heads.push("ratio to garenne".to_owned());
    // An axis with one case has nothing to say about it.
    let from = usize::from(axis.varied().is_empty());
    let mut table = format!("{}:\n\n{}", axis.title(), row(&heads[from..]));
    let align = heads.iter().enumerate().map(|(at, _)| match at {
        0 | 1 => "---".to_owned(),
        _ => "---:".to_owned(),
    });
    table += &row(&align.collect::<Vec<_>>()[from..]);
    for cell in results.cells() {
        let mut cells = vec![cases[cell.0].label.clone(), cell.1.name().to_owned()];
        cells.extend(values(results, cell, *first, others));
        table += &row(&cells[from..]);
    }
    table
}

fn values(results: &Results, cell: Cell, first: Quantity, others: &[Quantity]) -> Vec<String> {
    let all = results.values(cell, first);
    let min = all.iter().copied().reduce(f64::min);
    let max = all.iter().copied().reduce(f64::max);
    let mut values = vec![
        shown(median(all), first.digits()),
        shown(min, first.digits()),
        shown(max, first.digits()),
    ];
    for &quantity in others {
        let values_of = results.values(cell, quantity);
        // The worst that was seen, where it is about the most.
        let value = match quantity {
            Quantity::Peak => values_of.into_iter().reduce(f64::max),
            _ => median(values_of),
        };
        values.push(shown(value, quantity.digits()));
    }
    let ratio = results.ratio(cell, (cell.0, Contender::Garenne), first);
    values.push(shown(ratio, 2));
    values
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
}

fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Sample;

    #[test]
    fn a_row_tells_speed_cost_memory_and_ratio() {
        let sample = |speed, cpu| {
            Sample::default()
                .with(Quantity::Speed, speed)
                .with(Quantity::Cpu, cpu)
                .with(Quantity::Peak, 3.0)
        };
        let mut results = Results::default();
        results.add(1, Contender::Garenne, sample(200.0, 5.0));
        results.add(1, Contender::Pika, sample(100.0, 50.0));
        let table = of_axis(Axis::Core, &Axis::Core.cases(), &results);
        assert!(
            table.ends_with("| 10 | pika | 100 | 100 | 100 | 50.0 | 3.0 | 0.50 |\n"),
            "{table}"
        );
    }

    #[test]
    fn what_has_one_case_has_no_column_for_it() {
        let mut results = Results::default();
        let sample = Sample::default().with(Quantity::Recovery, 7.0);
        results.add(0, Contender::Amqp091Go, sample);
        let table = of_axis(Axis::Recovery, &Axis::Recovery.cases(), &results);
        assert!(
            table
                .ends_with("| --- | ---: | ---: | ---: | ---: |\n| amqp091-go | 7 | 7 | 7 | – |\n"),
            "{table}"
        );
        assert!(table.contains("| contender | recovery, ms |"), "{table}");
    }
}
