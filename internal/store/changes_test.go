package store

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	storev1 "github.com/stint-jobs/stint/internal/gen/stint/store/v1"
	"github.com/stint-jobs/stint/internal/job"
	"github.com/stint-jobs/stint/internal/store/file"
)

// damage writes a record of which the header alone can be read, as a change of the job.
func damage(t *testing.T, s *Store, id job.ID) {
	t.Helper()
	if err := s.do(t.Context(), 1, func(b *batch) error {
		h, err := file.GetHeader(&b.tx.ReadTx, id)
		if err != nil {
			return err
		}
		h.Revision = b.nextRevision()
		raw, err := proto.Marshal(&storev1.HeaderRecord{Header: h})
		return errors.Join(err, b.tx.Put(file.Jobs, id.Key(), append(raw, 0x0a, 1, 0xff)))
	}); err != nil {
		t.Fatal(err)
	}
}

// Watchers who share a reading that fails all hear of it, and the next change is read anew.
func TestAReadingThatFailsIsSharedUntilTheNextChange(t *testing.T) {
	s := openWith(t, 3)
	damage(t, s, 2)
	w := Watch{Scope: OwnedBy("ada")}
	for range 2 {
		if got, err := s.Changes(w, 3, 0); !errors.Is(err, job.ErrStorage) || !errors.Is(err, file.ErrDamaged) {
			t.Errorf("%v, %v", got, err)
		}
	}
	if got, err := s.Changes(Watch{Scope: Everyone, IDs: []job.ID{2}}, 3, 0); !errors.Is(err, job.ErrStorage) {
		t.Errorf("of the job alone: %v, %v", got, err)
	}
	if _, err := s.Delete(t.Context(), 2); !errors.Is(err, job.ErrConflict) {
		t.Fatal(err)
	}
	if err := s.do(t.Context(), 1, func(b *batch) error { // as retention would, once the job was over
		b.counters.Purged = b.nextRevision()
		return b.deleteJob(2)
	}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Changes(w, 4, 0)
	if err != nil || len(got.List) != 1 || got.List[0].ID != 2 || got.List[0].Job != nil || got.UpTo != 5 {
		t.Errorf("%+v, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Changes(w, 4, 0); !errors.Is(err, job.ErrUnavailable) {
		t.Errorf("of a closed store: %v", err)
	}
}

// However many different questions are asked about one revision, a bounded number of readings is kept.
func TestReadingsAreBounded(t *testing.T) {
	s := openWith(t, 2)
	for limit := range maxReadings + 10 {
		got, err := s.Changes(Watch{Scope: Everyone}, 0, limit+1)
		if err != nil || len(got.List) == 0 || got.List[0].ID != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		if n := len(s.readings.byKey); n > maxReadings || n == 0 {
			t.Fatalf("%d readings are kept", n)
		}
	}
}

// A page of changes ends behind its limit, but never between two changes of one revision.
func TestChangesAreCutBetweenRevisions(t *testing.T) {
	var list []*Change
	for _, r := range []uint64{1, 2, 2, 2, 5} {
		list = append(list, &Change{Revision: r})
	}
	var got []int
	for limit := range 7 {
		if limit > 0 {
			got = append(got, cutAt(list, limit))
		}
	}
	if want := []int{1, 4, 4, 4, 5, 5}; !slices.Equal(got, want) {
		t.Errorf("cut at %v, want %v", got, want)
	}
	made := 0
	for range 3 {
		if string(list[0].Share(func() []byte { made++; return []byte("x") })) != "x" || made != 1 {
			t.Errorf("made %d times", made)
		}
	}
}
