package main

import (
	"context"
	"os"
	"time"

	"github.com/stint-jobs/stint/bench/rig"
)

// settle is how long a server that started is left alone before its memory is read.
const settle = 2 * time.Second

// sizes measures rows 11 and 12.
func sizes(ctx context.Context, l *lab) ([]result, error) {
	empty, err := l.newData()
	if err != nil {
		return nil, err
	}
	full, err := l.stored(ctx, l.jobs)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(databaseOf(full))
	if err != nil {
		return nil, err
	}
	inIt, err := marshalled(databaseOf(full))
	if err != nil {
		return nil, err
	}
	var with, without, perJob, one rig.Series
	for range l.rounds {
		a, err := l.memoryOf(ctx, empty)
		if err != nil {
			return nil, err
		}
		b, err := l.memoryOf(ctx, full)
		if err != nil {
			return nil, err
		}
		without, with, perJob, one = append(without, a/1e6), append(with, b/1e6), append(perJob, (b-a)/float64(l.jobs)), append(one, 1)
	}
	return []result{
		ratio("11", perJob, one, figureOf("with the jobs", "MB", with), figureOf("empty", "MB", without)),
		ratio("12", rig.Series{float64(info.Size())}, rig.Series{float64(inIt)},
			figureOf("file", "B/job", rig.Series{float64(info.Size()) / float64(l.jobs)}), figureOf("marshalled", "B/job", rig.Series{float64(inIt) / float64(l.jobs)})),
	}, nil
}

// memoryOf starts a server on the folder, and reads its anonymous memory when it has come to rest.
func (l *lab) memoryOf(ctx context.Context, data string) (float64, error) {
	s, err := l.serve(ctx, data)
	if err != nil {
		return 0, err
	}
	defer s.Stop()
	if err := rig.Wait(ctx, settle); err != nil {
		return 0, err
	}
	return s.Anonymous()
}
