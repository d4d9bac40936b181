//! What `dlm top` shows.

use dlm_client::LockStatus;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row, Table, TableState};

use super::state::State;
use crate::failure::name_of;
use crate::output::{Clock, printable};

const KEYS: &str = "↑↓ select   s order   f force-release   q quit";
/// The lines for the selected lock.
const DETAIL_HEIGHT: u16 = 8;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, clock: Clock) {
    let [head, list, detail, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(DETAIL_HEIGHT),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(summary(state), head);
    draw_list(frame, list, state, clock);
    let title = state.selected().map(|status| format!(" {} ", printable(status.resource.as_str())));
    let lines = state.selected().map(|status| detail_lines(status, clock)).unwrap_or_default();
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().title(title.unwrap_or_default())),
        detail,
    );
    let foot_line = match state.message() {
        Some(message) => Line::styled(printable(message), Style::new().fg(Color::Yellow)),
        None => Line::styled(KEYS, Style::new().add_modifier(Modifier::DIM)),
    };
    frame.render_widget(foot_line, foot);
    draw_dialog(frame, state);
}

fn summary(state: &State) -> Line<'static> {
    let held: u64 = state.locks().iter().filter(|status| status.holder_count > 0).map(|_| 1).sum();
    let waiting: u64 = state.locks().iter().map(|status| status.queue_len).sum();
    let below = if state.prefix().is_empty() {
        String::new()
    } else {
        format!(" below {}", printable(state.prefix()))
    };
    let grants = state.activity().total();
    let order = state.order().name();
    Line::styled(
        format!("dlm top{below}: {held} held, {waiting} waiting, {grants} grants a minute, by {order}"),
        Style::new().add_modifier(Modifier::BOLD),
    )
}

fn draw_list(frame: &mut Frame<'_>, area: Rect, state: &State, clock: Clock) {
    let heading = Row::new(["NAME", "HOLDER", "TOKEN", "HELD FOR", "EXPIRES", "WAITING", "GRANTS/MIN"]);
    let widths = [
        Constraint::Min(16),
        Constraint::Min(16),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(10),
        Constraint::Length(7),
        Constraint::Length(10),
    ];
    let rows = state.locks().iter().map(|status| row(status, state, clock));
    let table = Table::new(rows, widths)
        .header(heading.style(Style::new().add_modifier(Modifier::UNDERLINED)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    // Created for each frame: the table scrolls to what is selected.
    let mut selection = TableState::new().with_selected(state.selected_index());
    frame.render_stateful_widget(table, area, &mut selection);
}

fn row(status: &LockStatus, state: &State, clock: Clock) -> Row<'static> {
    let name = status.resource.as_str();
    let first = status.holders.first();
    let others = match status.holder_count.saturating_sub(1) {
        0 => String::new(),
        others => format!(" +{others}"),
    };
    let waiting = Cell::from(status.queue_len.to_string());
    let style = if status.queue_len > 0 { Style::new().fg(Color::Yellow) } else { Style::new() };
    Row::new([
        Cell::from(printable(name)),
        Cell::from(
            first.map_or_else(|| "-".into(), |holder| printable(name_of(holder.owner.as_str())) + &others),
        ),
        Cell::from(first.map_or_else(|| "-".into(), |holder| holder.fencing_token.to_string())),
        Cell::from(first.map_or_else(|| "-".into(), |holder| clock.since(holder.acquired_at))),
        Cell::from(first.map_or_else(|| "-".into(), |holder| clock.relative(holder.expires_at))),
        waiting.style(style),
        Cell::from(state.activity().per_minute(name).to_string()),
    ])
}

/// The holders, and the first waiters.
fn detail_lines(status: &LockStatus, clock: Clock) -> Vec<Line<'static>> {
    let holders = status.holders.iter().map(|holder| {
        let owner = printable(name_of(holder.owner.as_str()));
        let (token, since) = (holder.fencing_token, clock.both(holder.acquired_at));
        Line::from(format!("held by {owner}, token {token}, {}, since {since}", holder.mode.as_str()))
    });
    let waiters = status.waiters.iter().flatten().map(|waiter| {
        let owner = printable(name_of(waiter.owner.as_str()));
        let (mode, since) = (waiter.mode.as_str(), clock.both(waiter.enqueued_at));
        let away = if waiter.away { ", away" } else { "" };
        Line::from(format!("{}. {owner} waits, {mode}, since {since}{away}", waiter.position))
    });
    holders.chain(waiters).collect()
}

fn draw_dialog(frame: &mut Frame<'_>, state: &State) {
    let Some(dialog) = state.dialog() else { return };
    let screen = frame.area();
    let width = screen.width.min(70);
    let height = screen.height.min(5);
    let area = Rect::new(
        screen.x + (screen.width - width) / 2,
        screen.y + (screen.height - height) / 2,
        width,
        height,
    );
    let question = if dialog.confirming { "Force-release it? [y/N]" } else { "Enter continues, Esc cancels" };
    let lines = vec![
        Line::from(format!(
            "`{}` of {}, token {}",
            printable(&dialog.name),
            printable(&dialog.owner),
            dialog.token
        )),
        Line::from(format!("Reason: {}", printable(&dialog.reason))),
        Line::from(question),
    ];
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(" Force-release ").border_style(Style::new().fg(Color::Red));
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

#[cfg(test)]
mod tests {
    use dlm_client::Timestamp;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::{KeyCode, KeyEvent};

    use super::super::state::tests::lock;
    use super::*;

    fn screen(state: &State) -> Vec<String> {
        let clock = Clock::at(Timestamp::from_micros(1_767_225_610_000_000));
        let mut terminal = Terminal::new(TestBackend::new(100, 24)).unwrap();
        terminal.draw(|frame| draw(frame, state, clock)).unwrap();
        let buffer = terminal.backend().buffer();
        let line = |y| (0..100).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..24).map(line).collect()
    }

    #[test]
    fn locks_are_shown_with_holders_and_waiters() {
        let mut state = State::new("jobs/");
        state.set_locks(vec![lock("jobs/a", 0), lock("jobs/b", 2)]);
        let screen = screen(&state);
        assert_eq!(screen[0], "dlm top below jobs/: 2 held, 2 waiting, 0 grants a minute, by waiting");
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&screen[2]), ["jobs/b", "me", "7", "10s", "in", "20s", "2", "0"]);
        assert_eq!(words(&screen[3]), ["jobs/a", "me", "7", "10s", "in", "20s", "0", "0"]);
        let all = screen.join("\n");
        for text in
            ["┌ jobs/b ", "held by me, token 7, exclusive, since 10s ago", "2. w2 waits, shared", KEYS]
        {
            assert!(all.contains(text), "{text} in\n{all}");
        }
    }

    #[test]
    fn dialog_and_message_are_shown_and_control_characters_are_not() {
        let mut state = State::new("");
        state.set_locks(vec![lock("a", 0)]);
        for key in [KeyCode::Char('f'), KeyCode::Char('x'), KeyCode::Enter] {
            state.press(KeyEvent::from(key));
        }
        let asked = screen(&state).join("\n");
        for text in ["Force-release ─", "`a` of me, token 7", "Reason: x", "[y/N]"] {
            assert!(asked.contains(text), "{text} in\n{asked}");
        }
        state.press(KeyEvent::from(KeyCode::Esc));
        state.tell("a\u{1b}b".into());
        assert_eq!(screen(&state)[23], "a\u{fffd}b");
    }
}
