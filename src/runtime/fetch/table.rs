//! Is the table there that flows are taken from, with all of its columns?

use crate::port::warehouse::{Trouble, Warehouse, WarehouseError};
use crate::record::{Type, flow};
use crate::target::bigquery::fetch::fetched_columns;

use crate::runtime::turn::Turn;

const FILL: &str = "`tripline backfill --target bigquery --relation flows --from DAY --to DAY` fills it";
const ANEW: &str = "drop the table, and `tripline backfill --target bigquery --relation flows --from DAY --to DAY` makes \
     it with all columns";

/// Before any job is paid for.
pub fn check(service: &dyn Warehouse, turn: &Turn) -> Result<(), WarehouseError> {
    turn.find_dataset(service)?;
    let table = super::table_of(service);
    let Some(there) = service.columns(flow::FLOWS)? else {
        let message = format!("the table {table} is not there");
        return Err(turn.error(Trouble::NotFound, message, Some(FILL.to_owned())));
    };
    for wanted in fetched_columns() {
        let found = there.iter().find(|column| column.name.eq_ignore_ascii_case(&wanted.name));
        let message = match found {
            Some(found) if found.ty == Some(wanted.ty) => continue,
            Some(found) => {
                let ty = found.ty.map_or("another type", Type::name);
                format!("the column {} of {table} is {ty}, not {}", wanted.name, wanted.ty)
            }
            None => format!("{table} has no column {}", wanted.name),
        };
        return Err(turn.error(Trouble::NotFound, message, Some(ANEW.to_owned())));
    }
    Ok(())
}
