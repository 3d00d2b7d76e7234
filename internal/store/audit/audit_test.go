package audit

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
)

func TestHeadsAreReadAsTheyArePrinted(t *testing.T) {
	h := Head{Sequence: 1 << 60, Hash: Hash{1, 2, 255}}
	if got, err := ParseHead(" " + h.String() + "\n"); err != nil || got != h {
		t.Errorf("%v %v", got, err)
	}
	for _, bad := range []string{"", "7", "7:", ":" + strings.Repeat("a", 64), "7:" + strings.Repeat("a", 63), "7:" + strings.Repeat("a", 65), "7:" + strings.Repeat("g", 64), "-1:" + strings.Repeat("a", 64)} {
		if h, err := ParseHead(bad); err == nil {
			t.Errorf("%q was read as %v", bad, h)
		}
	}
}

// An export is verified by encoding its entries again, so their encoding must never change.
func TestTheEncodingOfEntriesStaysAsItIs(t *testing.T) {
	e := &storev1.AuditEntry{
		Time: &timestamppb.Timestamp{Seconds: 1_700_000_000, Nanos: 5}, User: "ada", Actor: "robot", How: "token", CredentialId: "t1",
		Address: "192.0.2.7", Method: "/m", JobIds: []uint64{1, 300, math.MaxUint64}, Subject: "bob", Reason: "why",
	}
	const want = "0a08" + "0880e2cfaa06" + "1005" + "1203616461" + "1a05726f626f74" + "2205746f6b656e" + "2a027431" +
		"32093139322e302e322e37" + "3a022f6d" + "420d" + "01" + "ac02" + "ffffffffffffffffff01" + "4a03626f62" + "5203776879"
	got, err := appendEntry(nil, e)
	if err != nil || hex.EncodeToString(got) != want {
		t.Errorf("%x, %v; want %s", got, err, want)
	}
}

func TestTheFieldsOfAnEntryAreInTheOrderOfTheirNumbers(t *testing.T) {
	text := rapid.OneOf(rapid.Just(""), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		e := &storev1.AuditEntry{
			User: text.Draw(t, "user"), Actor: text.Draw(t, "actor"), How: text.Draw(t, "how"), CredentialId: text.Draw(t, "credential"),
			Address: text.Draw(t, "address"), Method: text.Draw(t, "method"), Subject: text.Draw(t, "subject"), Reason: text.Draw(t, "reason"),
			JobIds: rapid.SliceOf(rapid.Uint64()).Draw(t, "jobs"), Time: &timestamppb.Timestamp{Seconds: rapid.Int64().Draw(t, "seconds")},
		}
		raw, err := appendEntry(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		var again storev1.AuditEntry
		if err := proto.Unmarshal(raw, &again); err != nil || !proto.Equal(&again, e) {
			t.Fatalf("%v became %v: %v", e, &again, err)
		}
		var last protowire.Number
		for len(raw) > 0 {
			number, _, n := protowire.ConsumeField(raw)
			if n < 0 || number <= last {
				t.Fatalf("field %d comes after field %d", number, last)
			}
			last, raw = number, raw[n:]
		}
	})
}

// An entry may be given to several calls, so a draft leaves it as it is.
func TestADraftIsACopyInUTF8(t *testing.T) {
	e := &storev1.AuditEntry{User: "a\xffb"}
	if d := NewDraft(e); d.User() != "a\uFFFDb" || e.GetUser() != "a\xffb" {
		t.Errorf("the draft has %q, and the entry %q", d.User(), e.GetUser())
	}
	if NewDraft(nil) != nil {
		t.Error("there is a draft of nothing")
	}
}
