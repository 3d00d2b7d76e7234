package weight_test

import (
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/weight"
)

// list is a job whose parameters are a list of so many values.
func list(n int, value func() *structpb.Value) *jobsv1.Job {
	values := &structpb.ListValue{}
	for range n {
		values.Values = append(values.Values, value())
	}
	return withParameters(&structpb.Struct{Fields: map[string]*structpb.Value{"list": structpb.NewListValue(values)}})
}

func withParameters(s *structpb.Struct) *jobsv1.Job {
	return &jobsv1.Job{Id: "1", Service: "Service", Owner: "ann", Parameters: s}
}

// text is a job whose parameters are one text.
func text(s string) *jobsv1.Job {
	return withParameters(&structpb.Struct{Fields: map[string]*structpb.Value{"text": structpb.NewStringValue(s)}})
}

// samples are messages whose bytes tell little of what they become.
func samples() map[string]proto.Message {
	object := &structpb.Struct{Fields: make(map[string]*structpb.Value)}
	for i := range 5000 {
		object.Fields["k"+strings.Repeat("x", i%7)+string(rune('a'+i%26))+string(rune('0'+i%10))] = structpb.NewBoolValue(true)
	}
	attempts := &jobsv1.Job{Id: "1"}
	for n := range int32(500) {
		attempts.Attempts = append(attempts.Attempts, &jobsv1.Attempt{Number: n, StartTime: timestamppb.Now()})
		attempts.History = append(attempts.History, &jobsv1.StatusChange{State: jobsv1.State_STATE_RUNNING, Time: timestamppb.Now(), Message: "started"})
	}
	jobs := &jobsv1.ListResponse{}
	for range 500 {
		jobs.Jobs = append(jobs.Jobs, &jobsv1.Job{
			Id: "123456", Owner: "ann", Service: "GenomeAssembly2", State: jobsv1.State_STATE_QUEUED, SubmitTime: timestamppb.Now(),
			OutputName: "assembly", OutputFolder: "/home/assemblies", Labels: map[string]string{"project": "a", "run": "7"}, Revision: 1 << 40,
			Resources: &jobsv1.Resources{Cpus: 4},
		})
	}
	return map[string]proto.Message{
		"nulls":          list(10_000, structpb.NewNullValue),
		"numbers":        list(10_000, func() *structpb.Value { return structpb.NewNumberValue(1.0 / 3 * 1e-300) }),
		"empty texts":    list(10_000, func() *structpb.Value { return structpb.NewStringValue("") }),
		"empty lists":    list(10_000, func() *structpb.Value { return structpb.NewListValue(&structpb.ListValue{}) }),
		"empty objects":  list(10_000, func() *structpb.Value { return structpb.NewStructValue(&structpb.Struct{}) }),
		"an object":      withParameters(object),
		"a long text":    text(strings.Repeat("text ", 20_000)),
		"control codes":  text(strings.Repeat("\x01", 100_000)),
		"quotes":         text(strings.Repeat(`"\`, 50_000)),
		"tabs":           text(strings.Repeat("\t\n", 50_000)),
		"attempts":       attempts,
		"jobs":           jobs,
		"bytes":          &workspacev1.DownloadResponse{Data: make([]byte, 100_000)},
		"empty messages": &jobsv1.ListResponse{Jobs: make500(func() *jobsv1.Job { return &jobsv1.Job{} })},
	}
}

func make500[T any](one func() T) (all []T) {
	for range 500 {
		all = append(all, one())
	}
	return all
}

// A message's JSON is no longer than its weight says, and not many times shorter.
func TestTextIsWhatMessagesBecomeAsJSON(t *testing.T) {
	for name, m := range samples() {
		raw, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		json, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got := weight.OfEncoded(raw, m.ProtoReflect().Descriptor()).Text
		if t.Logf("%s: %d bytes, text %d, JSON %d", name, len(raw), got, len(json)); got < len(json) || got > 16*len(json) {
			t.Errorf("%s: %d bytes have a text of %d, JSON has %d", name, len(raw), got, len(json))
		}
	}
}

// What a decoded message takes is no more than its weight says, and not many times less.
func TestMemoryIsWhatMessagesTake(t *testing.T) {
	for name, m := range samples() {
		raw, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		const copies = 4
		kept := make([]proto.Message, 0, copies)
		before := alive()
		for range copies {
			one := m.ProtoReflect().New().Interface()
			if err := proto.Unmarshal(raw, one); err != nil {
				t.Fatal(err)
			}
			kept = append(kept, one)
		}
		took := int(alive()-before) / len(kept)
		runtime.KeepAlive(kept)
		got := weight.OfEncoded(raw, m.ProtoReflect().Descriptor()).Memory
		if t.Logf("%s: %d bytes, memory %d, took %d", name, len(raw), got, took); got < took*4/5 || got > 4*took {
			t.Errorf("%s: %d bytes have a memory of %d, they take %d", name, len(raw), got, took)
		}
	}
}

// alive is what is in memory and no garbage.
func alive() uint64 {
	runtime.GC()
	runtime.GC() // what the first one found, finalizers and pools, is gone with the second
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

func TestWhatIsNotWellFormedHasAWeight(t *testing.T) {
	message := (*jobsv1.Job)(nil).ProtoReflect().Descriptor()
	raw, err := proto.Marshal(text("some text"))
	if err != nil {
		t.Fatal(err)
	}
	for n := range raw {
		if w := weight.OfEncoded(raw[:n], message); w.Text <= 0 || w.Memory <= 0 {
			t.Errorf("the first %d bytes: %+v", n, w)
		}
	}
	deep := structpb.NewNullValue()
	for range 3000 {
		deep = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{deep}})
	}
	raw, err = proto.Marshal(withParameters(&structpb.Struct{Fields: map[string]*structpb.Value{"deep": deep}}))
	if err != nil {
		t.Fatal(err)
	}
	left := 1 << 30
	if weight.TakeElements(raw, message, &left) {
		t.Error("what is too deep to decode is taken")
	}
	if w := weight.OfEncoded(raw, message); w.Memory < 1000 {
		t.Errorf("what is too deep to decode: %+v", w)
	}
}

func FuzzWeight(f *testing.F) {
	for _, m := range samples() {
		if raw, err := proto.Marshal(m); err == nil && len(raw) < 10_000 {
			f.Add(raw)
		}
	}
	f.Add([]byte{0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		message := (*jobsv1.Job)(nil).ProtoReflect().Descriptor()
		w := weight.OfEncoded(raw, message)
		left := len(raw) + 1
		if enough := weight.TakeElements(raw, message, &left); enough && left < 0 {
			t.Errorf("%d are left", left)
		}
		m := &jobsv1.Job{}
		if proto.Unmarshal(raw, m) != nil {
			return
		}
		if json, err := (protojson.MarshalOptions{EmitDefaultValues: true}).Marshal(m); err == nil && len(json) > w.Text {
			t.Errorf("a text of %d, JSON has %d: %s", w.Text, len(json), json)
		}
	})
}
