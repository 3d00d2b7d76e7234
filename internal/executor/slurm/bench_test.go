package slurm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkParseQueue reads what squeue says of 5,000 jobs.
func BenchmarkParseQueue(b *testing.B) {
	files, err := filepath.Glob("testdata/*squeue*")
	if err != nil || len(files) == 0 {
		b.Fatal("no output of squeue in testdata")
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		b.Fatal(err)
	}
	line, _, _ := strings.Cut(string(raw), "\n")
	out := strings.Repeat(line+"\n", 5000)
	rows, err := parseQueue(out, sampleMark)
	if err != nil || len(rows) != 5000 {
		b.Fatalf("%d rows, %v", len(rows), err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(out)))
	for b.Loop() {
		if _, err := parseQueue(out, sampleMark); err != nil {
			b.Fatal(err)
		}
	}
}
