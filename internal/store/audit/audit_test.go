package audit

import (
	"encoding/hex"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/store/kv"
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

// An entry may be given to several calls, so it is left as it is. What is stored is UTF-8, and of so many jobs that an
// entry stays small.
func TestAnEntryIsCopiedInUTF8AndInParts(t *testing.T) {
	db, err := kv.Open(kv.Config{Path: filepath.Join(t.TempDir(), "test.db"), NoSync: true, Buckets: []kv.Bucket{{Name: Bucket}, {Name: HeadBucket}}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	given := &storev1.AuditEntry{User: "a\xffb", Subject: "own", JobIds: []uint64{7}}
	jobs := make([]uint64, 2*maxJobs+1)
	if err := db.Do(t.Context(), kv.Op{Stage: func(tx *kv.Tx) error {
		var a Appender
		a.Begin(tx, Head{}, &timestamppb.Timestamp{Seconds: 5})
		return errors.Join(a.Append(given, "eve\xff", jobs), a.Append(given, "", nil), a.Finish())
	}}); err != nil {
		t.Fatal(err)
	}
	if given.GetUser() != "a\xffb" || given.GetSubject() != "own" || len(given.GetJobIds()) != 1 || given.GetTime() != nil {
		t.Errorf("the entry became %v", given)
	}
	var rows []Row
	if err := db.View(func(tx *kv.ReadTx) error {
		return Export(tx, 0, func(_ Head, row Row) error { rows = append(rows, row); return nil })
	}); err != nil || len(rows) != 4 {
		t.Fatalf("%d entries, %v", len(rows), err)
	}
	for i, want := range []int{maxJobs, maxJobs, 1, 0} {
		e, subject := rows[i].Entry, "eve\uFFFD"
		if i == 3 {
			subject = "own"
		}
		if e.GetUser() != "a\uFFFDb" || e.GetSubject() != subject || len(e.GetJobIds()) != want || e.GetTime().GetSeconds() != 5 {
			t.Errorf("entry %d is %v", i, e)
		}
	}
}
