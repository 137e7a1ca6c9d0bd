//! What a fetch asks of BigQuery: the flows of a day, each cell as a text that loses nothing of its value.

use crate::record::{Column, Day, Type, flow};

use super::text::{name, timestamp};

/// What a fetch reads: the columns of `flows`, and the watermark before each row.
pub fn fetched_columns() -> Vec<Column> {
    let mut columns = flow::columns();
    columns.push(Column::new(flow::ADMIT_WATERMARK, Type::Timestamp, true));
    columns
}

/// Their cells, of all rows of a day. Only its partition is read. In no order: a sort of a whole day may fail there, and
/// whoever keeps the rows sorts them.
pub fn day_of_flows(day: Day) -> String {
    let items: Vec<String> = fetched_columns().iter().map(|column| cell(&name(&column.name), column.ty)).collect();
    format!(
        "SELECT\n  {}\nFROM {}\nWHERE event_time >= {}\n  AND event_time < {}\n",
        items.join(",\n  "),
        name(flow::FLOWS),
        timestamp(day.start().0),
        timestamp(day.end().0)
    )
}

/// As the service writes a TIMESTAMP or a FLOAT64 by itself depends on how it is asked; so both are made exact here.
fn cell(column: &str, ty: Type) -> String {
    match ty {
        Type::Timestamp => format!("UNIX_MICROS({column})"),
        // Seventeen digits tell each FLOAT64 from every other; `inf`, `-inf` and `nan` are written so.
        Type::Float64 => format!("FORMAT('%.17g', {column})"),
        _ => column.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::day_of_flows;
    use crate::record::Day;

    #[test]
    fn a_day_is_its_partition() {
        let sql = day_of_flows(Day::parse("2026-01-31").expect("a day"));
        assert!(
            sql.starts_with("SELECT\n  row_id,\n  UNIX_MICROS(event_time),\n  UNIX_MICROS(start_time),\n"),
            "{sql}"
        );
        let end = "  FORMAT('%.17g', latitude),\n  FORMAT('%.17g', longitude),\n  source,\n  UNIX_MICROS(admit_watermark)\n\
            FROM flows\n\
            WHERE event_time >= TIMESTAMP '2026-01-31 00:00:00+00'\n  AND event_time < TIMESTAMP '2026-02-01 00:00:00+00'\n";
        assert!(sql.ends_with(end), "{sql}");
    }
}
