package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// stateWord is the name of a state as users see it: QUEUED.
func stateWord(s jobsv1.State) string { return strings.TrimPrefix(s.String(), "STATE_") }

// reasonWord is the name of a reason as users see it; empty when there is none.
func reasonWord(r jobsv1.Reason) string {
	if r == jobsv1.Reason_REASON_UNSPECIFIED {
		return ""
	}
	return strings.TrimPrefix(r.String(), "REASON_")
}

// final reports whether a job in state s stays in it.
func finalState(s jobsv1.State) bool {
	switch s {
	case jobsv1.State_STATE_COMPLETED, jobsv1.State_STATE_FAILED, jobsv1.State_STATE_CANCELLED:
		return true
	default:
		return false
	}
}

// time formats a time in the local zone: to the minute with the zone's name on
// a terminal, as RFC 3339 in a pipe. Unset is empty.
func (s screen) time(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	if s.tty {
		return t.AsTime().Local().Format("2006-01-02 15:04 MST")
	}
	return t.AsTime().Local().Format(time.RFC3339)
}

// timeExact is time to the second on a terminal too.
func (s screen) timeExact(t *timestamppb.Timestamp) string {
	if t == nil || !s.tty {
		return s.time(t)
	}
	return t.AsTime().Local().Format("2006-01-02 15:04:05 MST")
}

// humanDuration gives the two largest units: 1.2s, 34s, 5m06s, 2h05m, 3d04h.
func humanDuration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + humanDuration(-d)
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', -1, 64) + "s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%02dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	}
}

func humanDurationOf(d *durationpb.Duration) string {
	if d == nil {
		return ""
	}
	return humanDuration(d.AsDuration())
}

// humanBytes gives a size in powers of 1024 with three digits: 999 B, 1.50 KiB, 12.3 MiB.
func humanBytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), 0
	for f >= 999.5 && unit < 5 {
		f, unit = f/1024, unit+1
	}
	digits := 2
	if f >= 99.95 {
		digits = 0
	} else if f >= 9.995 {
		digits = 1
	}
	return fmt.Sprintf("%.*f %ciB", digits, f, "BKMGTP"[unit])
}

// bytes is humanBytes on a terminal and the plain number in a pipe.
func (s screen) bytes(n int64) string {
	if s.tty {
		return humanBytes(n)
	}
	return strconv.FormatInt(n, 10)
}

// humanCount puts commas between thousands.
func humanCount(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, c := range digits {
		if left := len(digits) - i; i > 0 && left%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// plural gives "1 file", "2 files".
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return humanCount(n) + " " + noun + "s"
}

// progressWords gives what a command says of itself: "40% assembling contigs".
func progressWords(p *jobsv1.Progress) string {
	var parts []string
	if p != nil && p.Percent != nil {
		parts = append(parts, fmt.Sprintf("%d%%", p.GetPercent()))
	}
	if m := p.GetMessage(); m != "" {
		parts = append(parts, m)
	}
	return strings.Join(parts, " ")
}
