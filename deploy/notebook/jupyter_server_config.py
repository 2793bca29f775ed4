# Lectern's settings for the server in a student's workspace. Address, port and
# token come from whoever starts it.
c = get_config()  # noqa: F821

c.Application.log_level = "WARN"

c.ServerApp.open_browser = False
c.ServerApp.quit_button = False
c.ServerApp.allow_remote_access = True  # Lectern's proxy keeps the workspace's host name
c.ServerApp.trust_xheaders = True  # and says whether the browser came by https
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash"]}

# A save replaces the file as a whole, so that a snapshot never sees half of one.
# A trash folder would count against the student's space without being seen.
c.FileContentsManager.use_atomic_writing = True
c.FileContentsManager.delete_to_trash = False

# Theme, shortcuts and layout are JSON and follow the student in the home;
# everything with a database stays on /tmp (Dockerfile).
c.LabApp.user_settings_dir = "/home/student/.jupyter/lab/user-settings"
c.LabApp.workspaces_dir = "/home/student/.jupyter/lab/workspaces"

# Nothing here asks the internet or offers to change the installation.
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
