package api_test

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// wire sends a message as it is, as a client in a language that does not check would.
type wire struct{}

func (wire) Marshal(v any) ([]byte, error)   { return []byte(v.(string)), nil } //nolint:errcheck,forcetypeassert // only text comes here
func (wire) Unmarshal(_ []byte, _ any) error { return nil }
func (wire) Name() string                    { return "proto" }

func TestMessagesThatCannotBeRead(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	for name, c := range map[string]struct {
		message string
		code    codes.Code
		reason  string
	}{
		"no protobuf":   {"\xff\xff\xff", codes.InvalidArgument, "MALFORMED_MESSAGE"},
		"invalid UTF-8": {"\x0a\x01\xff", codes.InvalidArgument, "MALFORMED_MESSAGE"}, // field 1, of both requests, is a string
	} {
		t.Run(name, func(t *testing.T) {
			err := w.conn.Invoke(ann, jobsv1.JobService_Get_FullMethodName, c.message, nil, grpc.ForceCodec(wire{}))
			refusal(t, err, c.code, c.reason)
			stream, err := w.conn.NewStream(ann, &grpc.StreamDesc{ServerStreams: true}, jobsv1.JobService_WatchStatus_FullMethodName, grpc.ForceCodec(wire{}))
			must(t, err)
			must(t, stream.SendMsg(c.message))
			must(t, stream.CloseSend())
			refusal(t, stream.RecvMsg(nil), c.code, c.reason)
		})
	}
}

func TestParentIsOneOfTheOwnersJobs(t *testing.T) {
	w := newWorld(t)
	ann := w.as("ann")
	parent := w.submit(ann)
	child := copyJob()
	child.ParentId = parent.GetId()
	resp, err := w.jobs().Submit(ann, &jobsv1.SubmitRequest{Job: child})
	must(t, err)
	must(t, w.upload(w.as("bob"), "/in.txt", "x"))
	for _, id := range []string{parent.GetId(), "999"} {
		child.ParentId = id
		_, err = w.jobs().Submit(w.as("bob"), &jobsv1.SubmitRequest{Job: child})
		if got := refusal(t, err, codes.InvalidArgument, "INVALID_ARGUMENT"); len(got) != 1 || got[0] != "job.parentId" {
			t.Errorf("parent %s: %v", id, got)
		}
	}
	again, err := w.jobs().Rerun(ann, &jobsv1.RerunRequest{Id: resp.GetJob().GetId()})
	must(t, err)
	if again.GetJob().GetParentId() != parent.GetId() {
		t.Errorf("rerun of a child: %v", again)
	}
}
