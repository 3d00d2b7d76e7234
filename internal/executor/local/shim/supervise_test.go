//go:build linux

package shim

import (
	"testing"
	"time"
)

func TestDurationsInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		50 * time.Millisecond: "50ms", 20 * time.Second: "20s", 10 * time.Minute: "10m", time.Hour: "1h",
		90 * time.Minute: "1h30m", 20 * time.Hour: "20h", time.Hour + time.Second: "1h0m1s",
	} {
		if got := inWords(d); got != want {
			t.Errorf("inWords(%d) = %q, want %q", d, got, want)
		}
	}
}
