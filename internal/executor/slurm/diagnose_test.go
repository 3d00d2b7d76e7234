package slurm

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestTheControllerTellsTheClockAndTheStart(t *testing.T) {
	b, err := os.ReadFile("testdata/config-22.05.8.txt")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), "\n", "\nBOOT_TIME               = 1795440000\n", 1)
	at := time.Unix(1795446853, 0)
	for _, tt := range []struct {
		name          string
		before, after time.Time
		ahead         time.Duration
	}{
		{"the same", at.Add(300 * time.Millisecond), at.Add(600 * time.Millisecond), 0},
		{"the same, over the second", at.Add(-100 * time.Millisecond), at.Add(100 * time.Millisecond), 0},
		{"ahead", at.Add(-31 * time.Second), at.Add(-30 * time.Second), 30 * time.Second},
		{"behind", at.Add(61 * time.Second), at.Add(62 * time.Second), -time.Minute},
	} {
		p := parseDiagnosis(text, tt.before, tt.after)
		if !p.ClockKnown || p.Ahead != tt.ahead || p.Boot.IsZero() || p.Version == "" {
			t.Errorf("%s: %+v", tt.name, p)
		}
	}
	_, rest, _ := strings.Cut(text, "\n")
	for _, out := range []string{"", rest, configHead + "2026-11-23T14:00:00\n" + rest} {
		if p := parseDiagnosis(out, at, at); p.ClockKnown || p.Ahead != 0 {
			t.Errorf("from %.40q: %+v", out, p)
		}
	}
}
