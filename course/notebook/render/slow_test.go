package render
import ("testing";"time";"strings")
func TestSlow(t *testing.T){ r:=New(); for _,s:=range []string{"> ","<div>","<b><i>","[","- ","*a **a ","<table><tr><td>","![x](","`","`a``b```","<b>$x$<p>","${$","\\(","\\begin{a}","$x$ ","$a","<a href=x>","&","<b><i><u><s><em><code><small><strong><b><i><u><s><em><code><small><strong><p>", "[a](","[a]: b\n","![a][","\\[\n","~~a","|a","http://a.b ","* * ","<!--","<a ","]","<p title='","1. ","\ue0000\ue001","*_", "[^a]", "<details>", "a\n\n","# \n","\n    x","```\n","~~~ ","\x1b[31m","a\r"} {
 big:=strings.Repeat(s, 100<<10/len(s)); 
 big=big[:len(big)-0]
 st:=time.Now(); out:=r.Markdown(big); d:=time.Since(st)
 st=time.Now(); out2:=r.Code("python",big); d2:=time.Since(st)
 st=time.Now(); out3:=appendTerminal(nil,"x",big); d3:=time.Since(st)
 st=time.Now(); r.table("<table>"+big); d4:=time.Since(st)
 st=time.Now(); r.Code("r",big[:30000]); d5:=time.Since(st)
 if d+d2+d3+d4+d5> 100*time.Millisecond {t.Logf("%v %v %v %v %v %d %d %d %.60q",d,d2,d3,d4,d5,len(out),len(out2),len(out3),s)} } }
