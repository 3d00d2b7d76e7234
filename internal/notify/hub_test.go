package notify_test

import (
	"sync"
	"testing"

	"github.com/stint-jobs/stint/internal/notify"
)

func woken(s *notify.Subscription[string]) bool {
	select {
	case <-s.C():
		return true
	default:
		return false
	}
}

func TestOnlySubscribersOfTheKeyAreWoken(t *testing.T) {
	var h notify.Hub[string]
	a, b, both := h.Subscribe("a"), h.Subscribe("b"), h.Subscribe("a", "b")
	h.Notify("a")
	if !woken(a) || woken(b) || !woken(both) {
		t.Fatal("wrong subscribers woken")
	}
	h.Notify("nobody")
	if woken(a) || woken(b) || woken(both) {
		t.Fatal("woken for a foreign key")
	}
}

func TestWakeUpsAreCoalescedAndNeverBlock(t *testing.T) {
	var h notify.Hub[string]
	s := h.Subscribe("a")
	for range 1000 {
		h.Notify("a", "a")
	}
	if !woken(s) || woken(s) {
		t.Fatal("want exactly one wake-up")
	}
}

func TestCloseForgetsTheKeys(t *testing.T) {
	var h notify.Hub[string]
	s := h.Subscribe("a", "b", "a")
	s.Close()
	s.Close()
	h.Notify("a", "b")
	if woken(s) || h.Len() != 0 {
		t.Fatalf("closed subscription is still known: %d keys", h.Len())
	}
}

// Whoever is left in a key's list is woken, wherever in it others were.
func TestOthersOfTheKeyStay(t *testing.T) {
	for gone := range 3 {
		var h notify.Hub[string]
		subs := []*notify.Subscription[string]{h.Subscribe("a"), h.Subscribe("a", "b"), h.Subscribe("a")}
		subs[gone].Close()
		h.Notify("a")
		for i, s := range subs {
			if woken(s) == (i == gone) {
				t.Errorf("without subscriber %d, number %d was woken, or not: %v", gone, i, i == gone)
			}
		}
		h.Subscribe("a")
		h.WakeAll()
		for i, s := range subs {
			if woken(s) == (i == gone) {
				t.Errorf("without subscriber %d, number %d was woken with all, or not: %v", gone, i, i == gone)
			}
			s.Close()
		}
	}
}

// A subscriber that reads the truth after each wake-up ends with the last
// value, whatever the interleaving.
func TestNoWakeUpIsLost(t *testing.T) {
	var h notify.Hub[int]
	var mu sync.Mutex
	value := 0
	const last = 1000
	var wg sync.WaitGroup
	for range 4 {
		s := h.Subscribe(1)
		wg.Go(func() {
			defer s.Close()
			for {
				mu.Lock()
				v := value
				mu.Unlock()
				if v == last {
					return
				}
				<-s.C()
			}
		})
	}
	for range last {
		mu.Lock()
		value++
		mu.Unlock()
		h.Notify(1)
	}
	wg.Wait()
}
