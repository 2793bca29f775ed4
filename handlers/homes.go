package handlers

import (
	"context"
	"fmt"

	"lectern/store"
	"lectern/views"
)

// homeFullText is what a person is told whose home is about to be full. In
// JupyterLab a longer text is cut, and each percent is told anew.
func homeFullText(bytes, quota int64) string {
	return fmt.Sprintf("Your files take %d %% of the space you have here, %s. Please remove what you do not need, or saving may fail.",
		min(100, bytes*100/quota), sizeText(quota))
}

// homeView is what the visitor's own files take in the course; without an answer
// of the database nothing is shown, and no page fails for that.
func (s *Site) homeView(ctx context.Context, v *visit) views.HomeUseView {
	h, err := s.Store.HomeOf(ctx, v.member.ID)
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("home", "error", err)
	}
	return homeUse(h)
}

func homeUse(h store.Home) (out views.HomeUseView) {
	if h.MeasuredAt.IsZero() {
		return out
	}
	out.Text = sizeText(h.Bytes)
	if h.More {
		out.Text = "more than " + out.Text
	}
	if h.Quota > 0 {
		out.Text += " of " + sizeText(h.Quota)
		out.Percent, out.Quota = int(min(100, h.Bytes*100/h.Quota)), true
	}
	return out
}
