package canonical_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"pgregory.net/rapid"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
	"github.com/stint-jobs/stint/internal/api/canonical"
)

var update = flag.Bool("update", false, "write the golden file")

// goldenRequests are what the golden file has hashes of. One that was there once stays.
func goldenRequests() map[string]proto.Message {
	number := func(n float64) *structpb.Value { return structpb.NewNumberValue(n) }
	return map[string]proto.Message{
		"an empty submit":     &jobsv1.SubmitRequest{},
		"an empty batch":      &jobsv1.BatchSubmitRequest{},
		"an empty job":        &jobsv1.SubmitRequest{Job: &jobsv1.Job{}},
		"a nap":               &jobsv1.SubmitRequest{RequestId: "not hashed", Job: &jobsv1.Job{Service: "Sleep", Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{"sleep_time": number(1)}}}},
		"a nap with a reason": &jobsv1.SubmitRequest{Job: &jobsv1.Job{Service: "Sleep", Labels: map[string]string{"b": "2", "a": "1"}}, ValidateOnly: true},
		"all kinds of values": &jobsv1.SubmitRequest{Job: &jobsv1.Job{
			Service: "λ", Priority: -100, Labels: map[string]string{"": "", "z": "\x00", "a": "é"},
			Resources: &jobsv1.Resources{Cpus: 1 << 16, MemoryBytes: math.MaxInt64, TimeLimit: durationpb.New(-1), Named: map[string]int64{"x": -1}},
			Retry:     &jobsv1.RetryPolicy{Reasons: []jobsv1.Reason{3, 1, 99}, MemoryFactor: proto.Float64(1.5), TimeFactor: proto.Float64(0)},
			Parameters: &structpb.Struct{Fields: map[string]*structpb.Value{
				"null": structpb.NewNullValue(), "bool": structpb.NewBoolValue(false), "text": structpb.NewStringValue(""), "zero": number(math.Copysign(0, -1)),
				"list": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{number(1), number(math.Inf(-1)), structpb.NewListValue(&structpb.ListValue{})}}),
				"tree": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"b": number(2), "a": number(1e300)}}),
			}},
		}},
		"two jobs": &jobsv1.BatchSubmitRequest{Jobs: []*jobsv1.Job{{Service: "A"}, {Service: "B"}}},
	}
}

// Hashes are stored with jobs. One that changes makes a retry over an upgrade of the server REQUEST_ID_REUSED.
func TestHashesStayAsTheyAre(t *testing.T) {
	const golden = "testdata/hashes.golden"
	var got strings.Builder
	requests := goldenRequests()
	for _, name := range slices.Sorted(mapKeys(requests)) {
		fmt.Fprintf(&got, "%s %s\n", hex.EncodeToString(canonical.Hash(requests[name])), name)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("hashes changed, so that stored ones mean nothing any more:\n%s\nwant:\n%s", got.String(), want)
	}
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func TestTheRequestIDIsNoPartOfWhatIsAsked(t *testing.T) {
	one := &jobsv1.SubmitRequest{RequestId: "one", Job: &jobsv1.Job{Service: "Date"}}
	other := &jobsv1.SubmitRequest{Job: &jobsv1.Job{Service: "Date"}}
	if !bytes.Equal(canonical.Hash(one), canonical.Hash(other)) {
		t.Error("the same request with and without its id in the body has two hashes")
	}
	other.Reason = "a reason"
	if bytes.Equal(canonical.Hash(one), canonical.Hash(other)) {
		t.Error("requests with different reasons have one hash")
	}
	if bytes.Equal(canonical.Hash(&jobsv1.SubmitRequest{}), canonical.Hash(&jobsv1.RerunRequest{})) {
		t.Error("requests of different calls have one hash")
	}
}

// A message is hashed as it is in whatever way it was encoded.
func TestHowARequestIsEncodedMakesNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawRequest(t, "request")
		want := canonical.Hash(m)
		text := scramble(t, m.ProtoReflect(), 0)
		again := &jobsv1.SubmitRequest{}
		if err := proto.Unmarshal(text, again); err != nil {
			t.Fatal(err)
		}
		again.RequestId = "another"
		if got := canonical.Hash(again); !bytes.Equal(got, want) {
			t.Fatalf("another encoding of %v, %x, has another hash", m, text)
		}
	})
}

// Two requests have one hash exactly if they are equal, as the model compares them: as text, sorted.
func TestRequestsHaveOneHashExactlyIfTheyAreEqual(t *testing.T) {
	equal := 0
	rapid.Check(t, func(t *rapid.T) {
		a := drawRequest(t, "a")
		b, ok := proto.Clone(a).(*jobsv1.SubmitRequest)
		if !ok {
			t.Fatal("no request")
		}
		if rapid.Bool().Draw(t, "change") {
			change(t, b.ProtoReflect(), 0)
		}
		same := model(a.ProtoReflect(), "request_id") == model(b.ProtoReflect(), "request_id")
		if same {
			equal++
		}
		if got := bytes.Equal(canonical.Hash(a), canonical.Hash(b)); got != same {
			t.Fatalf("one hash: %t, equal: %t\n%v\n%v", got, same, a, b)
		}
	})
	if equal == 0 {
		t.Error("no two requests were equal")
	}
}

func FuzzRequestsHaveOneHashExactlyIfTheyAreEqual(f *testing.F) {
	for _, m := range goldenRequests() {
		if text, err := proto.Marshal(m); err == nil {
			f.Add(text, text)
			f.Add(text, append(slices.Clone(text), 0xf8, 0xff, 0x01, 1))
		}
	}
	f.Fuzz(func(t *testing.T, x, y []byte) {
		a, b := &jobsv1.SubmitRequest{}, &jobsv1.SubmitRequest{}
		discard := proto.UnmarshalOptions{DiscardUnknown: true}
		if discard.Unmarshal(x, a) != nil || discard.Unmarshal(y, b) != nil {
			t.Skip()
		}
		known := canonical.Hash(b)
		withUnknown := &jobsv1.SubmitRequest{}
		if err := proto.Unmarshal(y, withUnknown); err != nil || !bytes.Equal(canonical.Hash(withUnknown), known) {
			t.Fatalf("unknown fields change the hash (%v)", err)
		}
		a.RequestId, b.RequestId = "", ""
		if got, want := bytes.Equal(canonical.Hash(a), canonical.Hash(b)), proto.Equal(a, b); got != want {
			t.Fatalf("one hash: %t, equal: %t\n%v\n%v", got, want, a, b)
		}
	})
}

func drawRequest(t *rapid.T, label string) *jobsv1.SubmitRequest {
	m := &jobsv1.SubmitRequest{}
	fill(t, m.ProtoReflect(), label, 0)
	return m
}

// fill sets some of the fields of a message to small values, so that equal ones are not rare.
func fill(t *rapid.T, m protoreflect.Message, label string, depth int) {
	fields := m.Descriptor().Fields()
	n := rapid.IntRange(0, 4).Draw(t, label+" fields")
	for range n {
		f := fields.Get(rapid.IntRange(0, fields.Len()-1).Draw(t, label+" field"))
		set(t, m, f, label, depth)
	}
}

func set(t *rapid.T, m protoreflect.Message, f protoreflect.FieldDescriptor, label string, depth int) {
	if depth > 5 {
		return
	}
	switch {
	case f.IsMap():
		entries := m.Mutable(f).Map()
		for range rapid.IntRange(0, 3).Draw(t, label+" entries") {
			k := scalar(t, f.MapKey(), label).MapKey()
			if f.MapValue().Message() != nil {
				v := entries.NewValue()
				fill(t, v.Message(), label, depth+1)
				entries.Set(k, v)
			} else {
				entries.Set(k, scalar(t, f.MapValue(), label))
			}
		}
	case f.IsList():
		list := m.Mutable(f).List()
		for range rapid.IntRange(0, 2).Draw(t, label+" elements") {
			if f.Message() != nil {
				v := list.NewElement()
				fill(t, v.Message(), label, depth+1)
				list.Append(v)
			} else {
				list.Append(scalar(t, f, label))
			}
		}
	case f.Message() != nil:
		v := m.NewField(f)
		fill(t, v.Message(), label, depth+1)
		m.Set(f, v)
	default:
		m.Set(f, scalar(t, f, label))
	}
}

func scalar(t *rapid.T, f protoreflect.FieldDescriptor, label string) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, label))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rapid.Int32Range(0, 3).Draw(t, label)))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32Range(-1, 1).Draw(t, label))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(rapid.Int64Range(-1, 1).Draw(t, label))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(rapid.Uint64Range(0, 2).Draw(t, label))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, math.NaN(), math.Inf(1)}).Draw(t, label))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(rapid.SampledFrom([]string{"", "a", "b", "ab", "\x00"}).Draw(t, label))
	default:
		t.Fatalf("%s: no value for its kind", f.FullName())
		return protoreflect.Value{}
	}
}

// change sets one field of a message, or of one within it.
func change(t *rapid.T, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	f := fields.Get(rapid.IntRange(0, fields.Len()-1).Draw(t, "changed"))
	if f.Message() != nil && !f.IsMap() && !f.IsList() && m.Has(f) && depth < 4 {
		change(t, m.Mutable(f).Message(), depth+1)
		return
	}
	if rapid.Bool().Draw(t, "clear") {
		m.Clear(f)
		return
	}
	set(t, m, f, "change", depth)
}

// model is what a message says, as a text: the second opinion on what canonical has to tell apart.
func model(m protoreflect.Message, without protoreflect.Name) string {
	var parts []string
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Name() == without {
			return true
		}
		var said string
		switch {
		case f.IsMap():
			var entries []string
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				entries = append(entries, fmt.Sprintf("%q: %s", k.String(), modelValue(f.MapValue(), v)))
				return true
			})
			slices.Sort(entries)
			said = "{" + strings.Join(entries, ", ") + "}"
		case f.IsList():
			var elements []string
			for i := range v.List().Len() {
				elements = append(elements, modelValue(f, v.List().Get(i)))
			}
			said = "[" + strings.Join(elements, ", ") + "]"
		default:
			said = modelValue(f, v)
		}
		parts = append(parts, fmt.Sprintf("%s=%s", f.Name(), said))
		return true
	})
	slices.Sort(parts)
	return "(" + strings.Join(parts, "; ") + ")"
}

func modelValue(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch {
	case f.Message() != nil:
		return model(v.Message(), "")
	case f.Kind() == protoreflect.StringKind:
		return fmt.Sprintf("%q", v.String())
	case f.Kind() == protoreflect.DoubleKind && v.Float() == 0:
		return "0"
	default:
		return fmt.Sprint(v.Interface())
	}
}

// scramble encodes a message with its fields in another order, defaults written out, an unknown field, and maps as they come.
func scramble(t *rapid.T, m protoreflect.Message, depth int) []byte {
	var pieces [][]byte
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() != nil && !f.IsList() && !f.IsMap():
			inner := scramble(t, v.Message(), depth+1)
			pieces = append(pieces, protowire.AppendBytes(protowire.AppendTag(nil, f.Number(), protowire.BytesType), inner))
		default:
			alone := m.New()
			alone.Set(f, v)
			text, err := proto.Marshal(alone.Interface())
			if err != nil {
				t.Fatal(err)
			}
			pieces = append(pieces, text)
		}
		return true
	})
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.HasPresence() || m.Has(f) || f.IsList() || f.IsMap() {
			continue
		}
		switch f.Kind() {
		case protoreflect.StringKind:
			pieces = append(pieces, protowire.AppendBytes(protowire.AppendTag(nil, f.Number(), protowire.BytesType), nil))
		case protoreflect.BoolKind, protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.EnumKind:
			pieces = append(pieces, protowire.AppendVarint(protowire.AppendTag(nil, f.Number(), protowire.VarintType), 0))
		default:
		}
	}
	if depth < 2 {
		pieces = append(pieces, protowire.AppendVarint(protowire.AppendTag(nil, 4999, protowire.VarintType), 1))
	}
	return bytes.Join(rapid.Permutation(pieces).Draw(t, "order"), nil)
}
