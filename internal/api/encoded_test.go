package api

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/jobs"
	"github.com/stint-jobs/stint/internal/store"
)

func frame() *jobsv1.WatchStatusResponse {
	return &jobsv1.WatchStatusResponse{Cursor: "AU5nQk0Yx3yFAAAAAAB0y7E", Event: &jobsv1.WatchStatusResponse_Job{Job: &jobsv1.Job{
		Id: "12", Owner: "ada", Service: "Date", OutputName: "out", State: jobsv1.State_STATE_RUNNING, Message: "It runs.",
	}}}
}

func TestAFrameThatIsSharedIsTheSameOnTheWire(t *testing.T) {
	want, err := proto.Marshal(frame())
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]*jobs.Frame{
		"with its bytes": {WatchStatusResponse: frame(), Bytes: want}, "without": {WatchStatusResponse: frame(), Bytes: nil},
	} {
		got, err := Codec(nil).Marshal(e)
		if err != nil || !bytes.Equal(got.Materialize(), want) {
			t.Errorf("%s: %q, %v, want %q", name, got.Materialize(), err, want)
		}
	}
}

func TestAChangeIsEncodedOnceForAllWhoShareIt(t *testing.T) {
	var c store.Change
	times := 0
	for range 3 {
		if got := c.Share(func() []byte { times++; return []byte("once") }); string(got) != "once" {
			t.Errorf("got %q", got)
		}
	}
	if times != 1 {
		t.Errorf("made %d times", times)
	}
}

// BenchmarkFrame is what one of many watchers of an owner pays for the bytes of a change.
func BenchmarkFrame(b *testing.B) {
	f := frame()
	raw, err := proto.Marshal(f)
	if err != nil {
		b.Fatal(err)
	}
	for name, v := range map[string]any{"own": f, "shared": &jobs.Frame{WatchStatusResponse: f, Bytes: raw}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				out, err := Codec(nil).Marshal(v)
				if err != nil {
					b.Fatal(err)
				}
				out.Free()
			}
		})
	}
}
