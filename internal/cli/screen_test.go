package cli

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal opens a pseudo-terminal of a size and answers the end that a program writes to.
func terminal(t *testing.T, columns, rows uint16) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
		t.Fatal(err)
	}
	return slave
}

func TestATerminalIsSeenWithItsSizeAndWishes(t *testing.T) {
	tty := terminal(t, 61, 17)
	tests := []struct {
		env        map[string]string
		color, cur bool
	}{
		{map[string]string{"TERM": "xterm"}, true, true},
		{map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, false, true},
		{map[string]string{"TERM": "dumb"}, false, false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.env), func(t *testing.T) {
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			s := newScreen(tty, tty)
			columns, rows := s.size()
			if !s.tty || s.color != test.color || s.cursor != test.cur || s.errTTY != test.cur || columns != 61 || rows != 17 {
				t.Errorf("screen %+v, %d by %d", s, columns, rows)
			}
		})
	}
	if s := newScreen(&bytes.Buffer{}, tty); s.tty || s.color || s.cursor {
		t.Errorf("a pipe is taken for a terminal: %+v", s)
	}
}
