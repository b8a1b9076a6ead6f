#include "agent/cli/screen.h"

#include <curses.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <sstream>

namespace bulkhead::cli {

Result<std::unique_ptr<Screen>> Screen::Open() {
  // initscr would end the process where the terminal is unknown.
  (void)std::setlocale(LC_ALL, "");
  SCREEN* terminal = ::isatty(STDOUT_FILENO) == 1 ? newterm(nullptr, stdout, stdin) : nullptr;
  if (terminal == nullptr) return FailedPrecondition("top: there is no terminal to draw on: use --once");
  cbreak();
  noecho();
  curs_set(0);
  return std::unique_ptr<Screen>(new Screen(terminal));
}

Screen::~Screen() {
  endwin();
  delscreen(static_cast<SCREEN*>(terminal_));
}

void Screen::Show(const std::string& text) {
  werase(stdscr);
  std::istringstream lines(text);
  int row = 0;
  // Cut at the edge: a line that wrapped would shift all below it.
  for (std::string line; row < LINES && std::getline(lines, line); ++row)
    mvwaddnstr(stdscr, row, 0, line.c_str(), COLS);
  wrefresh(stdscr);
}

int Screen::Key(std::chrono::milliseconds wait) {
  wtimeout(stdscr, static_cast<int>(wait.count()));
  const int key = wgetch(stdscr);
  return key == ERR ? 0 : key;
}

}  // namespace bulkhead::cli
