package cli

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"
)

// screen is what is known of where the output goes.
type screen struct {
	// tty says that standard output is a terminal; errTTY the same of standard error.
	tty, errTTY bool
	// asks says that somebody sits there who can be asked: standard input and standard error are a terminal.
	asks bool
	// cursor says that what standard output shows can be written over.
	cursor bool
	// color says that standard output takes colours.
	color bool
	// size answers columns and rows of the terminal now.
	size func() (columns, rows int)
}

// newScreen looks at the two outputs. Colours are for terminals only, and not
// where NO_COLOR (no-color.org) or TERM=dumb forbid them.
func newScreen(out, errOut io.Writer) screen {
	s := screen{tty: isTerminal(out), errTTY: isTerminal(errOut)}
	dumb := os.Getenv("TERM") == "dumb"
	s.cursor = s.tty && !dumb
	s.color = s.tty && os.Getenv("NO_COLOR") == "" && !dumb
	s.errTTY = s.errTTY && !dumb // progress bars need cursor movements
	s.size = func() (int, int) {
		columns, rows := envSize("COLUMNS", 80), envSize("LINES", 24)
		if f, ok := out.(*os.File); ok {
			if c, r, err := term.GetSize(int(f.Fd())); err == nil && c > 0 && r > 0 {
				columns, rows = c, r
			}
		}
		return columns, rows
	}
	return s
}

// isTerminal looks at a standard stream.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func envSize(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// Colours, as the numbers of "select graphic rendition".
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "34"
)

// paint puts s into a colour where the screen takes colours. s must be clean.
func (s screen) paint(color, text string) string {
	if !s.color || color == "" || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}
