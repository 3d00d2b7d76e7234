package gateway

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// BenchmarkEvent is what one watcher in a browser pays for the bytes of a change.
func BenchmarkEvent(b *testing.B) {
	at := timestamppb.New(time.Unix(1_700_000_000, 0))
	chunk := map[string]any{"result": &jobsv1.WatchStatusResponse{
		Cursor: "AU5nQk0Yx3yFAAAAAAB0y7E",
		Event: &jobsv1.WatchStatusResponse_Job{Job: &jobsv1.Job{
			Id: "4242", State: jobsv1.State_STATE_RUNNING, OutputName: "sample-7-phage", Owner: "ada", SubmitTime: at, StartTime: at,
		}},
	}}
	m := &sseMarshaler{(&gateway{}).newJSONMarshaler()}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Marshal(chunk); err != nil {
			b.Fatal(err)
		}
	}
}
