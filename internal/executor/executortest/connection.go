package executortest

import "strings"

// Connection is what stands between an executor and the commands of a cluster: a
// connection that breaks and loses, and a login shell with words of its own. The zero value does nothing.
type Connection struct {
	// Before and After are what the shell prints on both streams around an answer.
	Before, After string
	// Cut ends the standard output before that byte, and CutErrors the standard error, both counted from 1: before the
	// last one where there are fewer. The connection is lost then.
	Cut, CutErrors int
	// Lose takes out a line of the standard output, counted from 1.
	Lose int
	// Crippled makes line ends of a terminal of the standard output's.
	Crippled bool
	// Recoded makes a question mark of each byte that is no ASCII, as a locale does that has no such character.
	Recoded bool
	// Insert is what a user of the host writes to all terminals, before byte At of both streams, counted from 1.
	Insert string
	At     int
	// Flip changes that byte of both streams, counted from 1.
	Flip int
}

// Pass returns what of an answer arrives.
func (c Connection) Pass(stdout, stderr string) (string, string) {
	if lines := strings.SplitAfter(stdout, "\n"); c.Lose > 0 && c.Lose <= len(lines) {
		stdout = strings.Join(lines[:c.Lose-1], "") + strings.Join(lines[c.Lose:], "")
	}
	if c.Crippled {
		stdout = strings.ReplaceAll(stdout, "\n", "\r\n")
	}
	stdout, stderr = c.change(stdout), c.change(stderr)
	stdout, stderr = c.Before+stdout+c.After, c.Before+stderr+c.After
	const lost = "Connection to login1 closed by remote host.\n"
	if n := min(c.Cut, len(stdout)); n > 0 {
		stdout, stderr = stdout[:n-1], stderr+lost
	}
	if n := min(c.CutErrors, len(stderr)); n > 0 {
		stderr = stderr[:n-1] + lost
	}
	return stdout, stderr
}

// change is what happens on the way to the bytes of one stream.
func (c Connection) change(stream string) string {
	b := []byte(stream)
	if c.Recoded {
		for i := range b {
			if b[i] > 0x7f {
				b[i] = '?'
			}
		}
	}
	if c.Flip > 0 && c.Flip <= len(b) {
		b[c.Flip-1] ^= 1
	}
	if at := c.At - 1; c.Insert != "" && at >= 0 && at <= len(b) {
		b = append(b[:at:at], append([]byte(c.Insert), b[at:]...)...)
	}
	return string(b)
}
