package weight_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/weight"
)

// taken is how many of equal jobs fit, added in either form.
func taken(t *testing.T, bound weight.Bound, j *jobsv1.Job) int {
	t.Helper()
	raw, err := proto.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	encoded, decoded := weight.NewBudget(bound), weight.NewBudget(bound)
	for n := range 10_000 {
		fits := encoded.Add(weight.Encoded{Bytes: raw, Message: j.ProtoReflect().Descriptor()})
		if also := decoded.AddMessage(j); also != fits {
			t.Fatalf("the %dth fits encoded: %t, decoded: %t", n+1, fits, also)
		}
		if !fits {
			return n
		}
	}
	return 10_000
}

func TestABudgetHasRoomForWhatMessagesBecome(t *testing.T) {
	nulls, long := list(10_000, structpb.NewNullValue), text(strings.Repeat("x", 100_000))
	weigh := func(j *jobsv1.Job) weight.Weight {
		raw, err := proto.Marshal(j)
		if err != nil {
			t.Fatal(err)
		}
		return weight.OfEncoded(raw, j.ProtoReflect().Descriptor())
	}
	small := &jobsv1.Job{Id: "1", Service: "Service"}
	for name, c := range map[string]struct {
		bound weight.Bound
		job   *jobsv1.Job
		want  int
	}{
		"by bytes":          {weight.Bound{Bytes: 5*proto.Size(long) + 1}, long, 5},
		"by text":           {weight.Bound{Weight: weight.Weight{Text: 5*weigh(long).Text + 1}}, long, 5},
		"by memory":         {weight.Bound{Weight: weight.Weight{Memory: 5*weigh(nulls).Memory + 1}}, nulls, 5},
		"small ones":        {weight.Bound{Weight: weight.Weight{Memory: 500*weigh(small).Memory + 1}}, small, 500},
		"one, though large": {weight.Bound{Bytes: 1, Weight: weight.Weight{Text: 1, Memory: 1}}, nulls, 1},
		"no bound":          {weight.Bound{}, small, 10_000},
	} {
		if got := taken(t, c.bound, c.job); got != c.want {
			t.Errorf("%s: %d fit, want %d", name, got, c.want)
		}
	}
}

func TestWhatIsNotThereTakesNoRoom(t *testing.T) {
	room := weight.NewBudget(weight.Bound{Bytes: 1})
	message := (*jobsv1.Job)(nil).ProtoReflect().Descriptor()
	for range 3 {
		if !room.Add(weight.Encoded{Message: message}) {
			t.Fatal("nothing takes room")
		}
	}
	if !room.Add(weight.Encoded{Bytes: []byte{1, 2, 3}, Message: message}) {
		t.Error("there is no room for the first thing")
	}
}
