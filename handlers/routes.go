package handlers

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"lectern/static"
	"lectern/store"
)

// route is one line of the list: what may be asked, by whom, and who answers.
type route struct {
	method  string
	pattern string
	who     access
	handle  handler
}

const (
	get  = http.MethodGet
	post = http.MethodPost
)

// routes is every address of the site. GET changes nothing; whatever changes
// something is a POST and answers with 303.
func (s *Site) routes() []route {
	return []route{
		{get, "/healthz", anyone, s.health},
		{get, "/static/*", anyone, s.static},

		{get, "/", signedIn, s.home},

		{get, "/sign-in", anyone, s.signInPage},
		{post, "/sign-in", anyone, s.signInLocally},
		{post, "/sign-in/demo", anyone, s.signInDemo},
		{post, "/sign-in/with/{provider}", anyone, s.beginProvider},
		{get, "/sign-in/with/{provider}/callback", anyone, s.returnFromProvider},
		{post, "/sign-out", anyone, s.signOut},
		{get, "/invite/{token}", anyone, s.invitation},
		{post, "/invite/{token}", anyone, s.acceptWithPassword},

		{get, "/notes", signedIn, s.notes},
		{post, "/notes/here", signedIn, s.stillHere},

		{get, "/account", signedIn, s.account},
		{post, "/account/name", signedIn, s.renameAccount},
		{post, "/account/password", signedIn, s.changePassword},
		{post, "/account/password/remove", signedIn, s.removePassword},
		{post, "/account/identities/unlink", signedIn, s.unlinkIdentity},
		{post, "/account/sessions/end", signedIn, s.endSession},
		{post, "/account/sessions/end-all", signedIn, s.endSessions},

		{get, "/courses/new", signedIn, s.newCourse},
		{post, "/courses/new", signedIn, s.createCourse},
		{get, "/courses/{course}/settings", instructor, s.courseSettings},
		{post, "/courses/{course}/settings", instructor, s.saveCourse},
		{post, "/courses/{course}/settings/archive", instructor, s.archiveCourse},
		{post, "/courses/{course}/settings/prestart", instructor, s.savePrestart},
		{get, "/courses/{course}/settings/releases", instructor, s.releaseSettings},
		{post, "/courses/{course}/settings/releases", instructor, s.saveReleaseSettings},
		{get, "/courses/{course}/activity", instructor, s.activity},

		{get, "/courses/{course}/roster", instructor, s.roster},
		{get, "/courses/{course}/roster/add", instructor, s.addMemberForm},
		{post, "/courses/{course}/roster/add", instructor, s.addMember},
		{get, "/courses/{course}/roster/import", instructor, s.importForm},
		{post, "/courses/{course}/roster/import", instructor, s.previewImport},
		{post, "/courses/{course}/roster/apply", instructor, s.applyImport},
		{post, "/courses/{course}/roster/invitations.csv", instructor, s.inviteAll},
		{get, "/courses/{course}/people/{login}", instructor, s.memberPage},
		{post, "/courses/{course}/people/{login}", instructor, s.changeMember},
		{get, "/courses/{course}/people/{login}/drop", instructor, s.confirmDrop},
		{post, "/courses/{course}/people/{login}/drop", instructor, s.dropMember},
		{post, "/courses/{course}/people/{login}/restore", instructor, s.restoreMember},
		{post, "/courses/{course}/people/{login}/invite", instructor, s.inviteMember},

		{get, "/courses/{course}/assignments/new", instructor, s.newAssignment},
		{post, "/courses/{course}/assignments/new", instructor, s.createAssignment},
		{get, "/courses/{course}/assignments/{assignment}/source", staff, s.source},
		{post, "/courses/{course}/assignments/{assignment}/source", instructor, s.uploadSource},
		{post, "/courses/{course}/assignments/{assignment}/source/delete", instructor, s.deleteSource},
		{get, "/courses/{course}/assignments/{assignment}/check/events", staff, s.checkEvents},
		{post, "/courses/{course}/assignments/{assignment}/check", instructor, s.checkAgain},
		{get, "/courses/{course}/assignments/{assignment}/preview", staff, s.preview},
		{get, "/courses/{course}/assignments/{assignment}/dates", staff, s.dates},
		{post, "/courses/{course}/assignments/{assignment}/dates", instructor, s.saveDates},
		{post, "/courses/{course}/assignments/{assignment}/extensions", instructor, s.extend},
		{post, "/courses/{course}/assignments/{assignment}/late", instructor, s.saveLate},
		{post, "/courses/{course}/assignments/{assignment}/extensions/remove", instructor, s.unextend},
		{get, "/courses/{course}/assignments/{assignment}/release", staff, s.releasePage},
		{post, "/courses/{course}/assignments/{assignment}/release", instructor, s.release},
		{post, "/courses/{course}/assignments/{assignment}/unschedule", instructor, s.unschedule},
		{get, "/courses/{course}/assignments/{assignment}/image", staff, s.imagePage},
		{get, "/courses/{course}/assignments/{assignment}/image/events", staff, s.imageEvents},
		{post, "/courses/{course}/assignments/{assignment}/image/fetch", instructor, s.askImage(store.ImageFetch)},
		{post, "/courses/{course}/assignments/{assignment}/image/newer", instructor, s.askImage(store.ImageNewer)},
		{post, "/courses/{course}/assignments/{assignment}/image/test", instructor, s.askImage(store.ImageTest)},
		{post, "/courses/{course}/assignments/{assignment}/image/use", instructor, s.useNewer},
		{get, "/courses/{course}/assignments/{assignment}/image/use", instructor, s.confirmUseNewer},
		{post, "/courses/{course}/assignments/{assignment}/image/cancel", instructor, s.cancelRelease},
		{get, "/courses/{course}/assignments/{assignment}/settings", instructor, s.assignmentSettings},
		{post, "/courses/{course}/assignments/{assignment}/settings", instructor, s.saveSettings},
		{get, "/courses/{course}/assignments/{assignment}/try", staff, s.tryPage},
		{get, "/courses/{course}/assignments/{assignment}/submissions", staff, s.submissions},
		{get, "/courses/{course}/assignments/{assignment}/submissions.zip", staff, s.submissionsZip},
		{post, "/courses/{course}/assignments/{assignment}/submissions.zip", staff, s.submissionsZip},
		{get, "/courses/{course}/assignments/{assignment}/submissions/{login}", staff, s.submission},
		{get, "/courses/{course}/assignments/{assignment}/submissions/{login}/{attempt}", staff, s.submissionZip},
		{post, "/courses/{course}/assignments/{assignment}/submissions/{login}/{attempt}/running", staff, s.openRunning},
		{post, "/courses/{course}/assignments/{assignment}/collect", staff, s.collectNow},
		{get, "/courses/{course}/assignments/{assignment}/collect", staff, s.collectProgress},
		{get, "/courses/{course}/assignments/{assignment}/archive", instructor, s.confirmArchive},
		{post, "/courses/{course}/assignments/{assignment}/archive", instructor, s.archiveAssignment},

		{get, "/courses/{course}/assignments/{assignment}/grade", staff, s.gradeGrid},
		{post, "/courses/{course}/assignments/{assignment}/grade/next", staff, s.gradeNext},
		{post, "/courses/{course}/assignments/{assignment}/grade/names", staff, s.gradeNames},
		{post, "/courses/{course}/assignments/{assignment}/grade/identical", staff, s.findIdentical},
		{get, "/courses/{course}/assignments/{assignment}/grade/rubric", staff, s.rubricPage},
		{post, "/courses/{course}/assignments/{assignment}/grade/rubric", staff, s.saveRubric},
		{get, "/courses/{course}/assignments/{assignment}/grade/rubric/delete", staff, s.confirmDeleteItem},
		{post, "/courses/{course}/assignments/{assignment}/grade/rubric/delete", staff, s.deleteItem},
		{get, "/courses/{course}/assignments/{assignment}/grade/{paper}", staff, s.gradePaper},
		{post, "/courses/{course}/assignments/{assignment}/grade/{paper}", staff, s.saveGrade},
		{post, "/courses/{course}/assignments/{assignment}/grade/{paper}/hold", staff, s.holdPaper},
		{post, "/courses/{course}/assignments/{assignment}/grade/{paper}/apart", staff, s.takeApart},
		{post, "/courses/{course}/assignments/{assignment}/grade/{paper}/running", staff, s.openPaperRunning},

		{get, "/courses/{course}/assignments/{assignment}/marks", staff, s.marks},
		{post, "/courses/{course}/assignments/{assignment}/marks", staff, s.saveMarks},
		{get, "/courses/{course}/assignments/{assignment}/marks.csv", staff, s.marksCSV},
		{get, "/courses/{course}/assignments/{assignment}/import-marks", staff, s.importMarks},
		{post, "/courses/{course}/assignments/{assignment}/import-marks", staff, s.previewMarks},
		{post, "/courses/{course}/assignments/{assignment}/import-marks/apply", staff, s.applyMarks},
		{get, "/courses/{course}/assignments/{assignment}/marks/{login}", staff, s.memberMarks},
		{post, "/courses/{course}/assignments/{assignment}/marks/{login}", staff, s.saveMemberMark},
		{get, "/courses/{course}/assignments/{assignment}/feedback", staff, s.feedback},
		{post, "/courses/{course}/assignments/{assignment}/feedback", staff, s.uploadFeedback},
		{get, "/courses/{course}/assignments/{assignment}/feedback/return", staff, s.confirmReturn},
		{post, "/courses/{course}/assignments/{assignment}/feedback/return", staff, s.returnFeedback},
		{get, "/courses/{course}/assignments/{assignment}/feedback/return/events", staff, s.returningEvents},
		{get, "/courses/{course}/assignments/{assignment}/feedback/withdraw", staff, s.confirmWithdraw},
		{post, "/courses/{course}/assignments/{assignment}/feedback/withdraw", staff, s.withdrawFeedback},

		{get, "/courses/{course}/assignments/{assignment}/runs", staff, s.runs},
		{post, "/courses/{course}/assignments/{assignment}/runs", staff, s.startRuns},
		{get, "/courses/{course}/assignments/{assignment}/runs/events", staff, s.runEvents},
		{post, "/courses/{course}/assignments/{assignment}/runs/cancel", staff, s.cancelRuns},
		{get, "/courses/{course}/assignments/{assignment}/runs/compare", staff, s.compareRuns},
		{post, "/courses/{course}/assignments/{assignment}/runs/apply", instructor, s.applyTrial},
		{post, "/courses/{course}/assignments/{assignment}/runs/discard", staff, s.dropTrial},
		{post, "/courses/{course}/assignments/{assignment}/feedback/make", staff, s.makeFeedback},
		{get, "/courses/{course}/assignments/{assignment}/feedback/make", staff, s.makingEvents},
		{get, "/courses/{course}/assignments/{assignment}/statistics", staff, s.statistics},
		{get, "/courses/{course}/regrades", staff, s.regradeList},
		{get, "/courses/{course}/regrades/{regrade}", staff, s.regradePage},
		{post, "/courses/{course}/regrades/{regrade}/take", staff, s.takeRegrade},
		{post, "/courses/{course}/regrades/{regrade}/answer", staff, s.answerRegrade},
		{get, "/courses/{course}/gradebook", staff, s.gradebook},
		{get, "/courses/{course}/gradebook/settings", instructor, s.bookSettings},
		{post, "/courses/{course}/gradebook/settings", instructor, s.saveBook},
		{get, "/courses/{course}/gradebook/nbgrader.csv", staff, s.nbgraderCSV},
		{get, "/courses/{course}/gradebook/moodle.csv", staff, s.moodleCSV},
		{get, "/courses/{course}/gradebook/gradebook.xlsx", staff, s.excel},
		{get, "/courses/{course}/gradebook/canvas", staff, s.canvasForm},
		{post, "/courses/{course}/gradebook/canvas", staff, s.fillCanvas},

		{get, "/courses/{course}", member, s.courseHome},
		{get, "/courses/{course}/assignments/{assignment}", member, s.assignmentHome},
		{post, "/courses/{course}/assignments/{assignment}/open", member, s.openAssignment},
		{post, "/courses/{course}/assignments/{assignment}/prestart", member, s.prestart},
		{get, "/courses/{course}/assignments/{assignment}/submit", member, s.submitPage},
		{post, "/courses/{course}/assignments/{assignment}/submit", member, s.submit},
		{get, "/courses/{course}/assignments/{assignment}/start-over", member, s.startOverPage},
		{post, "/courses/{course}/assignments/{assignment}/start-over", member, s.startOver},
		{get, "/courses/{course}/assignments/{assignment}/my-files", member, s.myFiles},
		{get, "/courses/{course}/assignments/{assignment}/my-feedback", member, s.myFeedback},
		{get, "/courses/{course}/assignments/{assignment}/my-feedback/view", member, s.myFeedbackFile},
		{get, "/courses/{course}/assignments/{assignment}/regrade", member, s.askRegradePage},
		{post, "/courses/{course}/assignments/{assignment}/regrade", member, s.askRegrade},
		{get, "/courses/{course}/assignments/{assignment}/regrade/{regrade}", member, s.myRegrade},
		{get, "/courses/{course}/assignments/{assignment}/regrade/{regrade}/withdraw", member, s.confirmWithdrawRegrade},
		{post, "/courses/{course}/assignments/{assignment}/regrade/{regrade}/withdraw", member, s.withdrawRegrade},
		{get, "/courses/{course}/assignments/{assignment}/receipts/{submission}", member, s.receipt},
		{get, "/courses/{course}/assignments/{assignment}/receipts/{submission}/files.zip", member, s.receiptZip},
		{post, "/courses/{course}/assignments/{assignment}/receipts/{submission}/restore", member, s.restore},
		{get, "/courses/{course}/workspaces/{workspace}", member, s.launch},
		{get, "/courses/{course}/workspaces/{workspace}/events", member, s.launchEvents},
		{post, "/courses/{course}/workspaces/{workspace}", member, s.startWorkspace},
		{post, "/courses/{course}/workspaces/{workspace}/stop", member, s.stopWorkspace},
		{get, "/courses/{course}/running", staff, s.runningCopies},
		{get, "/courses/{course}/workspaces/{workspace}/discard", staff, s.confirmDiscardCopy},
		{post, "/courses/{course}/workspaces/{workspace}/discard", staff, s.discardCopy},
		{get, "/courses/{course}/servers", instructor, s.servers},
		{get, "/courses/{course}/servers/events", instructor, s.serversEvents},
		{get, "/courses/{course}/servers/stop", instructor, s.confirmStopServers},
		{post, "/courses/{course}/servers/stop", instructor, s.stopServers},
		{post, "/courses/{course}/servers/announce", instructor, s.announce},
		{post, "/courses/{course}/servers/withdraw", instructor, s.withdrawAnnouncement},
		{get, "/courses/{course}/settings/times", instructor, s.courseTimes},
		{post, "/courses/{course}/settings/times", instructor, s.saveCourseTimes},
		{get, "/courses/{course}/settings/limits", instructor, s.limitsPage},
		{post, "/courses/{course}/settings/limits", instructor, s.saveLimits},
		{get, "/courses/{course}/assignments/{assignment}/limits", instructor, s.limitsPage},
		{post, "/courses/{course}/assignments/{assignment}/limits", instructor, s.saveLimits},

		{get, "/courses/{course}/move", instructor, s.movePage},
		{post, "/courses/{course}/move", instructor, s.uploadCourse},
		{get, "/courses/{course}/move/found", instructor, s.foundCourse},
		{post, "/courses/{course}/move/apply", instructor, s.applyCourse},
		{get, "/courses/{course}/move/course.zip", instructor, s.exportCourse},

		{get, "/admin", siteAdmin, s.admin},
		{get, "/admin/servers", siteAdmin, s.servers},
		{get, "/admin/servers/events", siteAdmin, s.serversEvents},
		{get, "/admin/servers/stop", siteAdmin, s.confirmStopServers},
		{post, "/admin/servers/stop", siteAdmin, s.stopServers},
		{post, "/admin/servers/announce", siteAdmin, s.announce},
		{post, "/admin/servers/withdraw", siteAdmin, s.withdrawAnnouncement},
		{post, "/admin/people", siteAdmin, s.changePerson},
		{get, "/admin/images", siteAdmin, s.adminImages},
		{post, "/admin/images", siteAdmin, s.saveImage},
		{post, "/admin/images/default", siteAdmin, s.defaultImage},
		{get, "/admin/images/remove", siteAdmin, s.confirmRemoveImage},
		{post, "/admin/images/remove", siteAdmin, s.removeImage},
		{post, "/admin/images/any", siteAdmin, s.switchAnyImage},
		{post, "/admin/images/fetch", siteAdmin, s.fetchMissing},
		{get, "/admin/images/test", siteAdmin, s.siteTestPage},
		{get, "/admin/images/test/events", siteAdmin, s.siteTestEvents},
		{post, "/admin/images/test", siteAdmin, s.startSiteTest},
	}
}

// static serves the embedded files.
func (s *Site) static(w http.ResponseWriter, r *http.Request) error {
	static.Handler().ServeHTTP(w, r)
	return nil
}

// routeOf is the pattern that answered, for logs and figures: never the path.
func routeOf(r *http.Request) string {
	if c := chi.RouteContext(r.Context()); c != nil {
		return c.RoutePattern()
	}
	return ""
}
