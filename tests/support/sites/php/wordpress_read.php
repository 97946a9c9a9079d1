<?php
// Writes the content of the newest post with a title. Argument: title.

require getcwd() . '/wp-load.php';

$found = get_posts( array( 'title' => $argv[1], 'numberposts' => 1 ) );
if ( ! $found ) {
	fwrite( STDERR, 'No post has this title. ' . $wpdb->last_error );
	exit( 1 );
}
echo $found[0]->post_content;
