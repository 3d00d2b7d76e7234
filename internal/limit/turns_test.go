package limit

import (
	"testing"
	"testing/synctest"
	"time"
)

// work takes a turn for so long.
func work(t *Turns, d time.Duration) {
	end := t.Take()
	<-time.After(d)
	end()
}

func TestTurnsLeaveAShareOfTheTime(t *testing.T) {
	for share, want := range map[float64][2]time.Duration{
		0:    {1000 * time.Millisecond, 1000 * time.Millisecond},
		1:    {1000 * time.Millisecond, 1000 * time.Millisecond},
		0.5:  {1900 * time.Millisecond, 2100 * time.Millisecond},
		0.25: {3700 * time.Millisecond, 4200 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			turns := NewTurns(TurnOptions{Places: 1, Share: share})
			begin := time.Now()
			for range 1000 {
				work(turns, time.Millisecond)
			}
			if took := time.Since(begin); took < want[0] || took > want[1] {
				t.Errorf("share %v: a second of work took %s, want %s to %s", share, took, want[0], want[1])
			}
		})
	}
}

func TestWorkNowAndThenDoesNotRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns(TurnOptions{Places: 1, Share: 0.5})
		for range 100 {
			begin := time.Now()
			work(turns, maxDebt)
			if took := time.Since(begin); took != maxDebt {
				t.Fatalf("%s of work took %s", maxDebt, took)
			}
			<-time.After(maxDebt)
		}
		begin := time.Now()
		work(turns, time.Hour) // as a goroutine that was kept from its processor
		if rest := time.Since(begin) - time.Hour; rest != maxRest {
			t.Errorf("it rests for %s", rest)
		}
	})
}

func TestTurnsAreTakenByAsManyAsThereArePlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for places, want := range map[int]int{-1: 1, 0: 1, 1: 1, 3: 3} {
			turns := NewTurns(TurnOptions{Places: places})
			release := make(chan struct{})
			for range 5 {
				go func() {
					end := turns.Take()
					<-release
					end()
				}()
			}
			synctest.Wait()
			if len(turns.places) != want {
				t.Errorf("%d places: %d work at a time, want %d", places, len(turns.places), want)
			}
			close(release)
			synctest.Wait()
			if len(turns.places) != 0 {
				t.Errorf("%d places are not given back", len(turns.places))
			}
		}
	})
	var none *Turns
	none.Take()()
}
