package notify_test

import (
	"fmt"
	"testing"

	"github.com/stint-jobs/stint/internal/notify"
)

// BenchmarkNotify is what the writer pays for waking the watchers of one key.
func BenchmarkNotify(b *testing.B) {
	for _, n := range []int{0, 1, 100, 10_000} {
		b.Run(fmt.Sprint(n, " watchers"), func(b *testing.B) {
			var h notify.Hub[string]
			for range n {
				defer h.Subscribe("ada").Close()
			}
			b.ReportAllocs()
			for b.Loop() {
				h.Notify("ada", "bob")
			}
		})
	}
}
