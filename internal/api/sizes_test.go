package api

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	adminv1 "github.com/stint-jobs/stint/gen/stint/admin/v1"
	authv1 "github.com/stint-jobs/stint/gen/stint/auth/v1"
	catalogv1 "github.com/stint-jobs/stint/gen/stint/catalog/v1"
	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	workspacev1 "github.com/stint-jobs/stint/gen/stint/workspace/v1"
	"github.com/stint-jobs/stint/internal/job"
)

// TestEveryCallHasASize compares the table with a server that has all services.
func TestEveryCallHasASize(t *testing.T) {
	g := grpc.NewServer()
	jobsv1.RegisterJobServiceServer(g, jobsv1.UnimplementedJobServiceServer{})
	catalogv1.RegisterCatalogServiceServer(g, catalogv1.UnimplementedCatalogServiceServer{})
	workspacev1.RegisterWorkspaceServiceServer(g, workspacev1.UnimplementedWorkspaceServiceServer{})
	adminv1.RegisterAdminServiceServer(g, adminv1.UnimplementedAdminServiceServer{})
	adminv1.RegisterQueueServiceServer(g, adminv1.UnimplementedQueueServiceServer{})
	adminv1.RegisterStatusServiceServer(g, adminv1.UnimplementedStatusServiceServer{})
	authv1.RegisterAuthServiceServer(g, authv1.UnimplementedAuthServiceServer{})
	authv1.RegisterTokenServiceServer(g, authv1.UnimplementedTokenServiceServer{})
	authv1.RegisterSessionServiceServer(g, authv1.UnimplementedSessionServiceServer{})
	adminv1.RegisterUserServiceServer(g, adminv1.UnimplementedUserServiceServer{})
	healthpb.RegisterHealthServer(g, health.NewServer())
	reflection.Register(g)
	n := 0
	for service, info := range g.GetServiceInfo() {
		for _, m := range info.Methods {
			n++
			if size := SizeOf("/" + service + "/" + m.Name); size.Bytes == 0 || size.Elements == 0 || size.Bytes > MaxMessage {
				t.Errorf("/%s/%s: %+v", service, m.Name, size)
			}
		}
	}
	if n != len(sizes) {
		t.Errorf("the table has %d calls, the server %d", len(sizes), n)
	}
}

// TestCallsWithTheSameMessageHaveTheSameSize holds because a codec knows messages alone.
func TestCallsWithTheSameMessageHaveTheSameSize(t *testing.T) {
	inputs := map[protoreflect.FullName]Size{}
	for method, size := range sizes {
		name, err := inputOf(method)
		if err != nil {
			t.Errorf("%s: %v", method, err)
			continue
		}
		if other, ok := inputs[name]; ok && other != size {
			t.Errorf("%s of %s has two sizes", name, method)
		}
		inputs[name] = size
	}
	if len(inputs) != len(sizesByMessage()) {
		t.Errorf("%d messages, %d known to the codec", len(inputs), len(sizesByMessage()))
	}
}

func TestMessagesThatBecomeTooMuchAreNotDecoded(t *testing.T) {
	empty := func(n int) []byte { return []byte(strings.Repeat("\x0a\x00", n)) }
	for name, c := range map[string]struct {
		message proto.Message
		encoded []byte
		want    []byte
	}{
		"2 million empty jobs":  {&jobsv1.BatchSubmitRequest{}, empty(2_000_000), tooLarge},
		"a thousand jobs":       {&jobsv1.BatchSubmitRequest{}, empty(job.MaxBatch), nil},
		"30,000 empty ids":      {&jobsv1.BatchGetRequest{}, empty(30_000), tooLarge},
		"an id of 100 KB":       {&jobsv1.GetRequest{}, encode(t, &jobsv1.GetRequest{Id: strings.Repeat("x", 100_000)}), tooLarge},
		"a thousand ids":        {&jobsv1.BatchGetRequest{}, encode(t, &jobsv1.BatchGetRequest{Ids: slices.Repeat([]string{"1234567"}, job.MaxBatch)}), nil},
		"the largest list":      {&jobsv1.SubmitRequest{}, encode(t, &jobsv1.SubmitRequest{Job: numbers(23_500)}), nil},
		"fifteen of them":       {&jobsv1.BatchSubmitRequest{}, encode(t, &jobsv1.BatchSubmitRequest{Jobs: slices.Repeat([]*jobsv1.Job{numbers(23_500)}, 15)}), nil},
		"many fields unknown":   {&jobsv1.GetRequest{}, []byte(strings.Repeat("\x98\x06\x01", 20_000)), tooLarge},
		"deeper than JSON goes": {&jobsv1.SubmitRequest{}, nested(5000), tooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDecoding()
			if err := Codec(d).Unmarshal(mem.BufferSlice{mem.SliceBuffer(c.encoded)}, c.message); err != nil {
				t.Fatal(err)
			}
			if got := c.message.ProtoReflect().GetUnknown(); c.want != nil && string(got) != string(c.want) || c.want == nil && len(got) > 0 {
				t.Errorf("mark %q, want %q", got, c.want)
			}
			if held := d.used.Load(); c.want != nil && held != 0 {
				t.Errorf("%d bytes are held for a message that was refused", held)
			}
			d.release(c.message)
			if held := d.used.Load(); held != 0 || len(d.held) > 0 {
				t.Errorf("%d bytes are held at the end", held)
			}
		})
	}
}

func TestWhatIsHandledAtATimeIsBounded(t *testing.T) {
	d := NewDecoding()
	b := encode(t, &jobsv1.BatchSubmitRequest{Jobs: slices.Repeat([]*jobsv1.Job{numbers(23_500)}, 15)})
	var held []proto.Message
	for range 100 {
		m := &jobsv1.BatchSubmitRequest{}
		if err := Codec(d).Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, m); err != nil {
			t.Fatal(err)
		}
		if refusalOf(m.ProtoReflect().GetUnknown()) != nil {
			break
		}
		held = append(held, m)
	}
	if len(held) < 2 || len(held) > 10 || d.used.Load() > maxDecoded {
		t.Errorf("%d messages of %d bytes at a time", len(held), len(b))
	}
	for _, m := range held {
		d.release(m)
	}
	if d.used.Load() != 0 {
		t.Errorf("%d bytes are held at the end", d.used.Load())
	}
}

func encode(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// numbers is a job with a list of so many numbers.
func numbers(n int) *jobsv1.Job {
	list := &structpb.ListValue{Values: slices.Repeat([]*structpb.Value{structpb.NewNumberValue(1)}, n)}
	return &jobsv1.Job{Service: "Numbers", Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{"nums": structpb.NewListValue(list)}}}
}

// nested is a SubmitRequest with so many lists within each other.
func nested(levels int) []byte {
	var b []byte
	wrap := func(tag byte) {
		size := []byte{byte(len(b)&0x7f | 0x80), byte(len(b)>>7&0x7f | 0x80), byte(len(b) >> 14)}
		b = append(append([]byte{tag}, size...), b...)
	}
	for range levels {
		wrap(0x0a) // ListValue.values
		wrap(0x32) // Value.list_value
	}
	wrap(0x12) // the value of an entry
	wrap(0x0a) // Struct.fields
	wrap(byte((&jobsv1.Job{}).ProtoReflect().Descriptor().Fields().ByName("parameters").Number())<<3 | 2)
	wrap(byte((&jobsv1.SubmitRequest{}).ProtoReflect().Descriptor().Fields().ByName("job").Number())<<3 | 2)
	return b
}
